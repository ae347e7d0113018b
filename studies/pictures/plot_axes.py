"""The axes of one plot: a kind, the values as they were written and read, and their labels.

Labels follow scripts/xyz_grid.py of AUTOMATIC1111's WebUI 1.10: ``Axis: value``, and the bare value where it speaks for
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import Named, Problems
from engine.recipes.dialects import Dialect
from engine.supermerger.axes import Axis as MergeAxis
from engine.supermerger.axes import axis_values
from studies.pictures.plot_kinds import AxisKind, ReadValues
from studies.pictures.plot_values import csv_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotAxis:
    """One axis of a plot.

    Attributes:
        letter: X, Y or Z.
        kind: what it is of.
        text: the values as they were written, with lines of their own where they have any.
        values: what they mean.
    """

    letter: str
    kind: AxisKind
    text: str
    values: tuple[Any, ...]

    @property
    def labels(self) -> list[str]:
        """Of the values, in their order."""
        texts = [self.kind.text_of(value) for value in self.values]
        return texts if self.kind.bare else [f"{self.kind.name}: {text}" for text in texts]

    def where(self, places: Sequence[int]) -> str:
        """Some of the values, as messages name them."""
        texts = ", ".join(repr(self.kind.text_of(self.values[place])) for place in places)
        return f"axis {self.kind.name}, value {texts}"


def read_axis(
    letter: str, kind: AxisKind, text: str | None, usual: Sequence[Any], rules: Dialect | None, problems: Problems
) -> PlotAxis | None:
    """An axis from its text.

    Args:
        letter: X, Y or Z.
        kind: what it is of.
        text: its values; None: take ``usual``, which options gave.
        usual: the values to take where `text` is None.
        rules: the dialect that the values of SuperMerger's axes are written in.
        problems: what is wrong is added here.

    Returns:
        The axis with the values that could be read; None if there are none.
    """
    where = Named(f"axis {kind.name}")
    if text is not None and kind.lines:
        text = text.replace("\\n", "\n")
    if text is None:
        found, text = list(usual), csv_text(usual)
        if not found:
            problems.add((where,), "has no values", "write them behind a =")
    elif kind.read is None:
        found = _merge_values(kind, text, rules, problems)
    else:
        found = _read_values(kind.read, text, where, problems)
    return PlotAxis(letter=letter, kind=kind, text=text, values=tuple(found)) if found else None


def _read_values(read: ReadValues, text: str, where: Named, problems: Problems) -> list[Any]:
    own, found = Problems(), list[Any]()
    with own.collecting():
        found = read(text, own)
    if not found and not own:
        own.add((), "has no values", "write them behind a =")
    problems.extend([problem.under(where) for problem in own.found])
    return found


def _merge_values(kind: AxisKind, text: str, rules: Dialect | None, problems: Problems) -> list[str]:
    where = Named(f"axis {kind.name}")
    if rules is None:
        problems.add((where,), "changes a recipe", "give a recipe file (.toml), not a checkpoint")
        return []
    if "|" in text:
        problems.add((where,), "| separates the values of several plots", "draw one plot at a time")
        return []
    with problems.collecting():
        return list(axis_values(MergeAxis(kind=kind.name, text=text), rules))
    return []
