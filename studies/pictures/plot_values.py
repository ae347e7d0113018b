"""The values of a plot's axis as AUTOMATIC1111's WebUI has them written: lists, ranges and counts.

``7, 9``; ``1-5`` every whole number; ``1-5(+2)`` in steps; ``10-1(-3)`` downwards; ``0.2-0.8[4]`` so many, evenly, from
end to end (for whole numbers the fraction is dropped). A list is CSV: a value with a comma stands in double quotes,
blanks around it do not count. Facts from its scripts/xyz_grid.py, 1.10; unlike there, steps never lead past the end of
a range, and an end that they meet is always one of its values.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from io import StringIO

from studies.errors import StudyError

MOST_VALUES = 9999
"""The most values of one range."""

_NUMBER = r"[+-]?(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})"
_PLAIN = re.compile(_NUMBER)
_RANGE = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})(?:\s*\(\s*({_NUMBER})\s*\)|\s*\[\s*(\d+)\s*\])?")


def items(text: str) -> list[str]:
    """The items of a list, without the blanks around them; a new line separates items like a comma."""
    try:
        return [item.strip() for row in csv.reader(StringIO(text), skipinitialspace=True, strict=True) for item in row]
    except csv.Error as error:
        raise StudyError(
            f"{text!r} is not a list ({error})", remedy="quotes come in pairs around a whole value"
        ) from error


def texts(text: str) -> list[str]:
    """Whole texts: one a line where there are several lines (the WebUI's "raw text lines"), else a list."""
    stripped = text.strip()
    return [line.strip() for line in stripped.split("\n")] if "\n" in stripped else items(text)


def csv_text(values: Iterable[object]) -> str:
    """A list that ``items`` reads back."""
    out = StringIO()
    csv.writer(out, lineterminator="").writerow([str(value) for value in values])
    return out.getvalue()


def whole_numbers(item: str) -> list[int]:
    """One number or a range of them.

    Raises:
        StudyError: it is neither.
    """
    return [int(value) for value in _expanded(item, _whole, "whole number", "7, 1-5, 1-5(+2), 10-1(-3) or 1-10[5]")]


def numbers(item: str) -> list[float]:
    """One number or a range of them.

    Raises:
        StudyError: it is neither.
    """
    return [float(value) for value in _expanded(item, Decimal, "number", "7.5, 1-3, 1-3(+0.5) or 0.2-0.8[4]")]


def _whole(text: str) -> Decimal:
    number = Decimal(text)
    if number != int(number) or "." in text:
        raise ValueError(text)
    return number


def _expanded(item: str, read: Callable[[str], Decimal], what: str, examples: str) -> list[Decimal]:
    found = _RANGE.fullmatch(item)
    try:
        if found is None:
            return [read(_PLAIN.fullmatch(item)[0])]  # pyright: ignore[reportOptionalSubscript]
        first, last = read(found[1]), read(found[2])
        step = read(found[3]) if found[3] else Decimal(1)
        count = int(found[4]) if found[4] else None
    except (TypeError, ValueError):
        raise StudyError(f"is neither a {what} nor a range", remedy=f"write {examples}") from None
    return _in_steps(first, last, step) if count is None else _evenly(first, last, count)


def _in_steps(first: Decimal, last: Decimal, step: Decimal) -> list[Decimal]:
    if not step or (last - first) * step < 0:
        corrected = f"{first}-{last}({'+' if last > first else '-'}{abs(step) or 1})"
        raise StudyError("never comes to its end", remedy=f"write {corrected}")
    count = int((last - first) / step) + 1
    _refuse_many_values(count)
    return [first + place * step for place in range(count)]


def _evenly(first: Decimal, last: Decimal, count: int) -> list[Decimal]:
    _refuse_many_values(count)
    if count == 0:
        raise StudyError("is an empty range", remedy="write how many values in the brackets, such as [4]")
    return [first + (last - first) * place / max(count - 1, 1) for place in range(count)]


def _refuse_many_values(count: int) -> None:
    if count > MOST_VALUES:
        raise StudyError(f"has {count} values", remedy=f"at most {MOST_VALUES} are allowed")
