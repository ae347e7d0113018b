"""What blocks do to a pair of checkpoints, as pages show it: the matrix of effects, and the pictures of each block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.pages.measured.read import ReadResult, read_result
from studies.pages.reading.measured_files import PROBE, picture_name
from studies.results.folklore import OPEN, Folklore, FolkloreAnswer, read_folklore
from studies.results.probe import EffectColumn, KnobEffect, ProbedKnob, ProbeMethod, ProbeResult, read_probe

LEVELS = (0.25, 0.5, 1.0, 2.0)
"""Effects in times the noise of seeds, from which on a cell of the matrix is darker."""
STRONGEST = "strongest.png"
"""Name of the picture, beside the result, of the knobs that change most."""
LARGEST = 3
"""The most knobs that are named for each measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """One effect; None as the effect: it was not measured."""

    effect: KnobEffect | None

    @property
    def is_clear(self) -> bool:
        """Whether it is told from noise."""
        return self.effect is not None and self.effect.clear and self.effect.effect is not None

    @property
    def level(self) -> int:
        """How dark the cell is, 1 to 5; 0 where it is not told from noise."""
        if not self.is_clear or self.effect is None:
            return 0
        ratio = self.effect.ratio
        return 2 if ratio is None else 1 + sum(ratio >= level for level in LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """All effects of one knob."""

    knob: ProbedKnob
    cells: tuple[MatrixCell, ...]
    """One for each column."""
    strip: str
    """Name of the picture of the knob low, at the base and high; "" where none was drawn."""

    @property
    def is_clear(self) -> bool:
        """Whether any effect of it is told from noise."""
        return any(cell.is_clear for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestEffects:
    """The knobs that change one measure most, of those told from noise."""

    column: EffectColumn
    effects: tuple[tuple[ProbedKnob, KnobEffect], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectMatrix:
    """Knobs by measures, by one method."""

    method: ProbeMethod
    rows: tuple[MatrixRow, ...]
    largest: tuple[LargestEffects, ...]

    def of(self, kind: str) -> tuple[MatrixRow, ...]:
        """Return the rows of one kind of knobs."""
        return tuple(row for row in self.rows if row.knob.kind == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFolklore:
    """The pair's answers to what people say."""

    remark: str
    told: tuple[FolkloreAnswer, ...]
    """Those that say yes or no."""
    open: tuple[FolkloreAnswer, ...]
    """Those that cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProbe:
    """A probe."""

    result: ProbeResult
    matrices: tuple[EffectMatrix, ...]
    """One for each method."""
    folklore: ReadResult[ShownFolklore]
    """The pair's answers to what people say of blocks."""
    strongest: str = ""
    """Name of the picture of the knobs that change most; "" where none was drawn."""

    @property
    def strips(self) -> tuple[MatrixRow, ...]:
        """The rows of which there are pictures, each once."""
        return tuple(row for row in self.matrices[0].rows if row.strip) if self.matrices else ()


def shown_probe(folder: Path) -> ReadResult[ShownProbe]:
    """Return the probe of a study for pages.

    Args:
        folder: of the study.
    """

    def read() -> ShownProbe | None:
        result = read_probe(folder)
        if result is None:
            return None
        sheet = picture_name(PROBE, STRONGEST) if (folder / PROBE / STRONGEST).is_file() else ""
        return shown(result, read_result(lambda: shown_folklore(read_folklore(folder))), sheet)

    return read_result(read)


def shown_folklore(folklore: Folklore | None) -> ShownFolklore | None:
    """Return the answers as pages show them."""
    if folklore is None:
        return None
    told = tuple(one for one in folklore.answers if one.answer != OPEN)
    left = tuple(one for one in folklore.answers if one.answer == OPEN)
    return ShownFolklore(remark=folklore.remark, told=told, open=left)


def shown(result: ProbeResult, folklore: ReadResult[ShownFolklore], strongest: str = "") -> ShownProbe:
    """Return a probe as pages show it."""
    matrices = tuple(_matrix(result, method) for method in result.methods)
    return ShownProbe(result=result, matrices=matrices, folklore=folklore, strongest=strongest)


def _matrix(result: ProbeResult, method: ProbeMethod) -> EffectMatrix:
    known = {(one.knob, one.column): one for one in result.effects if one.method == method}
    knobs = [knob for knob in result.knobs if any((knob.name, column.name) in known for column in result.columns)]
    rows = (
        MatrixRow(
            knob=knob,
            cells=tuple(MatrixCell(effect=known.get((knob.name, column.name))) for column in result.columns),
            strip=picture_name(PROBE, picture) if (picture := result.strips.get(knob.name)) else "",
        )
        for knob in knobs
    )
    return EffectMatrix(
        method=method,
        rows=tuple(rows),
        largest=tuple(_largest(result, column, knobs, method) for column in result.columns),
    )


def _largest(
    result: ProbeResult, column: EffectColumn, knobs: Sequence[ProbedKnob], method: ProbeMethod
) -> LargestEffects:
    by_name = {knob.name: knob for knob in knobs}
    clear = [one for one in result.ranked(column.name, method) if one.clear and one.knob in by_name]
    return LargestEffects(column=column, effects=tuple((by_name[one.knob], one) for one in clear[:LARGEST]))
