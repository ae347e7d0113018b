"""The canonical text of a recipe, written and read.

A version line, then one step a line: ``recipe 1 classic``, ``merge A B 0,0.35,...`` (26 ratios),
``self OUT05:attn1=0.88 OUT08:attn1=0.88``, ``adjust CONT=-1 BRI=7``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.blocks import ADJUST_FIELDS, BLOCKS, DIALECTS, Site
from engine.errors import RecipeError
from engine.steps import AdjustStep, MergeStep, SelfStep, Step

VERSION = 1


def number(value: float) -> str:
    """Six decimals at most, shortest form: 0.35, 1, -0.2."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def write(dialect: str, steps: tuple[Step, ...]) -> str:
    """The canonical text; no newline at the end."""
    return "\n".join((f"recipe {VERSION} {dialect}", *map(_line, steps)))


def _line(step: Step) -> str:
    if isinstance(step, MergeStep):
        return f"merge {' '.join(step.models)} {','.join(map(number, step.ratios))}"
    if isinstance(step, SelfStep):
        return "self " + " ".join(f"{site}={number(factor)}" for site, factor in step.factors)
    pairs = zip(ADJUST_FIELDS, step.values, strict=True)
    return "adjust " + " ".join(f"{name}={number(value)}" for name, value in pairs if value)


# --------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    text: str
    line: int
    column: int

    def wrong(self, message: str) -> RecipeError:
        return RecipeError(f"line {self.line}, column {self.column}: {message}")

    def part(self, start: int, end: int | None = None) -> _Word:
        return _Word(text=self.text[start:end], line=self.line, column=self.column + start)


def read(text: str) -> tuple[str, tuple[Step, ...]]:
    """Dialect and steps of a canonical text; blank lines and spaces around words are forgiven.

    Raises:
        RecipeError: with line, column, the value seen and what should stand there.
    """
    lines = [words for words in _lines(text) if words]
    if not lines:
        raise RecipeError(f"line 1, column 1: the recipe text is empty; it starts with 'recipe {VERSION} classic'")
    dialect = _head(lines[0])
    steps: list[Step] = []
    for words in lines[1:]:
        with _Place(words[0]):
            steps.append(_step(words))
    return dialect, tuple(steps)


class _Place:
    """Gives an error that has no place yet the place of a word."""

    def __init__(self, word: _Word) -> None:
        self._word = word

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecipeError) and not str(error).startswith("line "):
            raise self._word.wrong(str(error)) from error


def _lines(text: str) -> Iterator[list[_Word]]:
    for line, content in enumerate(text.splitlines(), start=1):
        found = re.finditer(r"\S+", content)
        yield [_Word(text=match.group(), line=line, column=match.start() + 1) for match in found]


def _head(words: list[_Word]) -> str:
    if words[0].text != "recipe" or len(words) != 3:
        raise words[0].wrong(f"{words[0].text!r} starts no recipe; the first line is 'recipe {VERSION} classic'")
    if words[1].text != str(VERSION):
        raise words[1].wrong(f"recipe version {words[1].text!r} is unknown; this program reads version {VERSION}")
    if words[2].text not in DIALECTS:
        raise words[2].wrong(f"there is no dialect {words[2].text!r}; write one of {', '.join(DIALECTS)}")
    return words[2].text


def _step(words: list[_Word]) -> Step:
    kind, rest = words[0], words[1:]
    if kind.text == "merge":
        return _merge(kind, rest)
    if kind.text == "self":
        return SelfStep(factors=tuple(_factor(word) for word in rest))
    if kind.text == "adjust":
        return _adjust(rest)
    raise kind.wrong(f"there is no step {kind.text!r}; write merge, self or adjust")


def _merge(kind: _Word, rest: list[_Word]) -> MergeStep:
    if len(rest) != 3:
        raise kind.wrong(f"merge is followed by two models and {len(BLOCKS)} ratios with commas and no spaces between")
    first, second, ratios = rest
    with _Place(ratios):
        return MergeStep(models=(first.text, second.text), ratios=tuple(map(_number, _split(ratios))))


def _split(word: _Word) -> Iterator[_Word]:
    start = 0
    for piece in word.text.split(","):
        yield word.part(start, start + len(piece))
        start += len(piece) + 1


def _number(word: _Word) -> float:
    try:
        return float(word.text)
    except ValueError:
        raise word.wrong(f"{word.text!r} is no number; write one such as 0.35") from None


def _assigned(word: _Word, example: str) -> tuple[_Word, float]:
    place = word.text.rfind("=")
    if place < 0:
        raise word.wrong(f"{word.text!r} has no '='; write it like {example}")
    return word.part(0, place), _number(word.part(place + 1))


def _factor(word: _Word) -> tuple[Site, float]:
    name, factor = _assigned(word, "OUT05:attn1=0.88")
    with _Place(name):
        return Site.parse(name.text), factor


def _adjust(rest: list[_Word]) -> AdjustStep:
    values = dict.fromkeys(ADJUST_FIELDS, 0.0)
    seen: set[str] = set()
    for word in rest:
        name, value = _assigned(word, "CONT=-1")
        if name.text not in values or name.text in seen:
            why = "stands twice" if name.text in seen else "is no Adjust field"
            raise name.wrong(f"{name.text!r} {why}; write each of {', '.join(ADJUST_FIELDS)} once at most")
        seen.add(name.text)
        values[name.text] = value
    return AdjustStep(values=tuple(values.values()))
