"""The matrix of a probe as a picture: what every block, site and Adjust value does to every measure of the pictures.

A number is the change from the knob's low to its high value over the noise of seeds: by how much the same measure
differs between two pictures of the base that differ by their seed alone. What is not told from noise has dots and a
grey number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image

from engine.errors import counted
from engine.files import replaced
from studies.after_recipe.probe.designs.plan import REACH
from studies.after_recipe.probe.drawing.paper import FAINT, INK, RULE, WHITE, Paper, Rectangle, Rgb, height_of, ink_on
from studies.drawing.lettering import Lettering
from studies.drawing.paragraphs import cut
from studies.results.probe import SCREEN, TIMES_NOISE, EffectColumn, KnobEffect, ProbedKnob, ProbeMethod, ProbeResult

FULL = 2.0
"""Change over the noise of seeds at which a cell has its full colour."""
CURVE = 0.6
"""Exponent of the colour's strength, so that a tenth of the full change can be seen."""
DISTANCE: Rgb = (92, 40, 140)
"""Full colour of a distance, which has no sign."""
MORE: Rgb = (6, 84, 150)
"""Full colour of a signed change upwards."""
LESS: Rgb = (176, 66, 12)
"""Full colour of a signed change downwards."""
NO_NUMBER = "–"  # noqa: RUF001
"""What stands where something could not be measured."""
MINUS = "−"  # noqa: RUF001
"""The minus sign."""
SCALE = (0.1, 0.25, 0.5, 1.0, 2.0)
"""The changes whose colours the legend shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixForm:
    """Sizes of the drawing, in pixels.

    Attributes:
        name: what is added to the file's name.
        columns: the most measures side by side; the others follow below, with the same rows.
        label: the most width for the names of the rows; longer ones are cut.
        cell: width and height of a cell.
        letter: size of names and numbers.
        title: size of the head line.
        margin: around everything.
    """

    name: str
    columns: int
    label: int
    cell: tuple[int, int]
    letter: int
    title: int
    margin: int

    @property
    def gap(self) -> int:
        """Between groups of rows."""
        return self.cell[1] // 3


WIDE = MatrixForm(name="", columns=12, label=320, cell=(96, 32), letter=20, title=30, margin=28)
"""All measures side by side."""
PHONE = MatrixForm(name="-phone", columns=5, label=196, cell=(116, 46), letter=27, title=34, margin=12)
"""800 pixels wide at most, so that letters are about 13 pixels high on a phone, which shows it at half that width."""


def write_matrices(result: ProbeResult, folder: Path) -> tuple[Path, ...]:
    """Draw the matrix of every method, wide and for a phone, into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for method in result.methods:
        for form in (WIDE, PHONE):
            path = folder / f"matrix-{method.replace(' ', '-')}{form.name}.png"
            with replaced(path) as temporary:
                matrix_picture(result, method, form).save(temporary, "PNG")
            written.append(path)
    return tuple(written)


def matrix_picture(result: ProbeResult, method: ProbeMethod, form: MatrixForm = WIDE) -> Image.Image:
    """Draw the matrix of one method.

    Args:
        result: of the probe.
        method: whose effects are shown; knobs that it did not move have no row.
        form: the sizes.
    """
    return _Matrix(result, method, form).drawn()


class _Matrix:
    """A drawing in the making."""

    def __init__(self, result: ProbeResult, method: ProbeMethod, form: MatrixForm) -> None:
        self.result, self.method, self.form = result, method, form
        self.effects = {(one.knob, one.column): one for one in result.effects if one.method == method}
        self.knobs = tuple(knob for knob in result.knobs if any(knob.name == name for name, _ in self.effects))
        shown = {name for _, name in self.effects}
        self.columns = tuple(column for column in result.columns if column.name in shown)
        self.font = Lettering().font(form.letter)
        longest = max((self.font.getlength(knob.label) for knob in self.knobs), default=0)
        self.label = min(form.label, round(longest) + form.letter)
        self.title = f"What each block does to {' and '.join(names_of(result))}"
        self.about = _about(result, method)
        self.notes = notes_of(result, method)

    @property
    def panels(self) -> list[tuple[EffectColumn, ...]]:
        """The measures, as many side by side as the form allows; parts of nearly the same size."""
        count = -(-len(self.columns) // self.form.columns) or 1
        size = -(-len(self.columns) // count)
        return [self.columns[start : start + size] for start in range(0, len(self.columns), size)] or [()]

    @property
    def inner(self) -> int:
        """Width between the margins."""
        return self.label + len(self.panels[0]) * self.form.cell[0]

    def drawn(self) -> Image.Image:
        """Return the picture."""
        form, inner = self.form, self.inner
        paper = Paper(size=(inner + 2 * form.margin, self._height()))
        left, y = form.margin, form.margin
        y += paper.paragraph(self.title, (left, y), form.title, inner)
        y += paper.paragraph(self.about, (left, y), form.letter, inner, FAINT) + form.gap
        for panel in self.panels:
            y = self._panel(paper, panel, y) + form.cell[1]
        y = self._legend(paper, y)
        for note in self.notes:
            y += paper.paragraph(note, (left, y), form.letter, inner, FAINT) + form.gap // 2
        return paper.sheet

    def _height(self) -> int:
        form, inner = self.form, self.inner
        texts = [(self.title, form.title), (self.about, form.letter), *((note, form.letter) for note in self.notes)]
        text = sum(height_of(words, letter, inner) for words, letter in texts) + (1 + len(self.notes)) * form.gap
        breaks = sum(_kind(one) != _kind(other) for one, other in pairwise(self.knobs))
        rows = len(self.knobs) * form.cell[1] + breaks * form.gap
        panels = len(self.panels) * (self._heads() + rows + form.cell[1])
        return 2 * form.margin + text + panels + self._legend_height()

    def _heads(self) -> int:
        """Height of the names of the measures, which stand upright."""
        longest = max((self.font.getlength(column.name) for column in self.columns), default=0)
        return round(longest) + self.form.letter

    def _panel(self, paper: Paper, columns: Sequence[EffectColumn], top: int) -> int:
        """Draw some of the measures; returns where the rows end."""
        form, first = self.form, self.form.margin + self.label
        y = top + self._heads()
        for place, column in enumerate(columns):
            paper.upright(
                column.name, (first + place * form.cell[0] + form.cell[0] // 2, y - form.letter // 4), form.letter
            )
        before: ProbedKnob | None = None
        for knob in self.knobs:
            if before is not None and _kind(before) != _kind(knob):
                y += form.gap
            name = cut(knob.label, self.font, self.label - form.letter // 2)
            paper.word(name, (first - form.letter // 2, y + form.cell[1] / 2), form.letter, INK, anchor="rm")
            for place, column in enumerate(columns):
                left = first + place * form.cell[0]
                area = (left, y, left + form.cell[0], y + form.cell[1])
                self._cell(paper, self.effects.get((knob.name, column.name)), column, area)
            before, y = knob, y + form.cell[1]
        return y

    def _cell(self, paper: Paper, effect: KnobEffect | None, column: EffectColumn, area: Rectangle) -> None:
        left, top, right, bottom = area
        text = number_text(effect, signed=column.signed)
        colour = cell_colour(effect, signed=column.signed)
        paper.pen.rectangle((left, top, right - 1, bottom - 1), fill=colour, outline=RULE)
        if effect is not None and not effect.clear:
            paper.dots((left + 1, top + 1, right - 1, bottom - 1))
        is_clear = effect is not None and effect.clear
        ink = (WHITE if ink_on(colour) == "light" else INK) if is_clear else FAINT
        paper.word(text, ((left + right) / 2, (top + bottom) / 2), self.form.letter, ink)

    def _legend_height(self) -> int:
        return 3 * (self.form.cell[1] + self.form.gap) + self.form.gap

    def _legend(self, paper: Paper, y: int) -> int:
        """Draw what the colours mean: distances, more and less; returns where it ends."""
        form, labels = self.form, self.form.margin + self.label - self.form.letter // 2
        width = (self.inner - self.label) // max(5, len(self.panels[0]))
        for name, full in (("distance", DISTANCE), ("more", MORE), ("less", LESS)):
            paper.word(name, (labels, y + form.cell[1] / 2), form.letter, INK, anchor="rm")
            for place, ratio in enumerate(SCALE):
                left = form.margin + self.label + place * width
                colour = _mixed(full, ratio)
                paper.pen.rectangle((left, y, left + width - 1, y + form.cell[1] - 1), fill=colour, outline=RULE)
                ink = WHITE if ink_on(colour) == "light" else INK
                paper.word(f"{ratio:g}", (left + width / 2, y + form.cell[1] / 2), form.letter, ink)
            y += form.cell[1] + form.gap
        return y + form.gap


def names_of(result: ProbeResult) -> tuple[str, ...]:
    """Return the names of the pair's files, without their endings."""
    return tuple(Path(model.name).stem for model in result.models)


def number_text(effect: KnobEffect | None, *, signed: bool) -> str:
    """Return a cell's number: the change in times the noise of seeds, with its sign where there is one."""
    if effect is None or effect.ratio is None or effect.effect is None:
        return NO_NUMBER
    size = abs(effect.ratio)
    digits = f"{size:.2f}" if size < 9.995 else f"{size:.1f}" if size < 99.95 else f"{size:.0f}"
    if not signed or float(digits) == 0:
        return digits
    return ("+" if effect.effect > 0 else MINUS) + digits


def cell_colour(effect: KnobEffect | None, *, signed: bool) -> Rgb:
    """Return a cell's colour: the stronger, the larger the change; white where it is not told from noise."""
    if effect is None or not effect.clear or effect.ratio is None or effect.effect is None:
        return WHITE
    return _mixed((MORE if effect.effect > 0 else LESS) if signed else DISTANCE, abs(effect.ratio))


def _mixed(full: Rgb, ratio: float) -> Rgb:
    share = min(1.0, ratio / FULL) ** CURVE
    red, green, blue = (round(255 + share * (channel - 255)) for channel in full)
    return red, green, blue


def _kind(knob: ProbedKnob) -> str:
    """What rows stand together: BASE, IN, M, OUT, sites, Adjust values."""
    return knob.block.rstrip("0123456789") if knob.kind == "block" else knob.kind


def _about(result: ProbeResult, method: ProbeMethod) -> str:
    run = next(run for run in result.runs if run.method == method)
    how = "one knob at a time" if method == "one at a time" else "many knobs at once (screening)"
    size = f"{counted(run.recipes, 'recipe')} with {counted(run.shots, 'picture')} each"
    return f"{how}, from {result.base.label}: {size}"


def notes_of(result: ProbeResult, method: ProbeMethod) -> tuple[str, ...]:
    """Return what stands under the matrix of a method: how to read it."""

    def lines() -> Iterator[str]:
        yield (
            f"A number is the change from the low to the high value (of a block, from 0 to 1), in {TIMES_NOISE}: "
            "1 is as much as two seeds of the same recipe differ."
        )
        if any(column.name == "style" for column in result.columns):
            yield "Style is the study's objective: above 0 is closer to the look that is wanted."
        yield (
            f"Dots: not told from noise, allowing for all comparisons ({100 * result.level:g} % of the others may be "
            "false)."
        )
        if method == SCREEN and any(knob.kind != "block" for knob in result.knobs):
            yield (
                f"Multipliers and Adjust values went {REACH:g} of the way to their ends here, so that pictures stay "
                "whole; their changes are scaled back."
            )

    return tuple(lines())
