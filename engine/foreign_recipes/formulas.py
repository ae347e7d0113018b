"""Formulas of merges in plain text: ``A * 0.4 + B * 0.6``, ``0.4*A + 0.6*B``, ``A (40%) + B (60%)``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import Named, RecipeError

_NAME = r"[A-Za-z_\u00c0-\uffdc][\w.\u00c0-\uffdc \-]{0,80}?"
_AMOUNT = r"\d{1,3}(?:\.\d{1,12})?|\.\d{1,12}"
_AFTER = rf"(?P<first>{_NAME})\s*(?:[*\u00d7xX]\s*(?P<after>{_AMOUNT})|[(:]?\s*(?P<percent>{_AMOUNT})\s*%\s*\)?)"
_BEFORE = rf"(?P<before>{_AMOUNT})\s*(?:[*\u00d7xX]\s*|(?=\())\(?(?P<second>{_NAME})\)?"
_TERM = re.compile(rf"\s*[(\[]?\s*(?:{_AFTER}|{_BEFORE})\s*[)\]]?\s*")
_LINE = 400  # letters of a line that may be a formula
_CLOSE = 0.005  # people round their weights to two decimals
_MOST = 25
_LEAD = re.compile(r"^[^=:]{0,80}[=:]\s*(?=\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A weighted sum of whole models.

    Attributes:
        models: as the text names them.
        weights: of each, with the sum 1.
        line: the text.
    """

    models: tuple[str, ...]
    weights: tuple[float, ...]
    line: str


def formula_in(text: str) -> Formula | None:
    """Return the formula of a text; None where no line is one.

    Raises:
        RecipeError: there are several, or its weights do not sum to 1.
    """
    found = {terms: line for line in map(str.strip, text.splitlines()) if (terms := _terms(line))}
    if len(found) > 1:
        raise RecipeError(
            f"there are {len(found)} formulas", place=(Named("the card"),), remedy="give one as a recipe file"
        )
    if not found:
        return None
    terms, line = next(iter(found.items()))
    total = sum(weight for _, weight in terms)
    if abs(total - 1) > _CLOSE:
        raise RecipeError(
            f"the weights of {line!r:.100} sum to {total:g}",
            place=(Named("the card"),),
            remedy="those of a merge sum to 1",
        )
    return Formula(
        models=tuple(name for name, _ in terms), weights=tuple(weight / total for _, weight in terms), line=line
    )


def _terms(line: str) -> tuple[tuple[str, float], ...]:
    """The terms of a line that is nothing but a sum, after a name and "=" or ":"; else none."""
    if "+" not in line or len(line) > _LINE:
        return ()
    line = line.strip("`*_ -•")
    whole = _sum(line)
    return whole or (_sum(_LEAD.sub("", line, count=1)) if _LEAD.match(line) else ())


def _sum(text: str) -> tuple[tuple[str, float], ...]:
    parts = text.split("+")
    if not 2 <= len(parts) <= _MOST:
        return ()
    terms: list[tuple[str, float]] = []
    for part in parts:
        term = _TERM.fullmatch(part)
        if term is None:
            return ()
        name = (term["first"] or term["second"]).strip()
        percent = term["percent"]
        terms.append((name, float(percent) / 100 if percent else float(term["after"] or term["before"])))
    return tuple(terms) if len({name for name, _ in terms}) == len(terms) else ()
