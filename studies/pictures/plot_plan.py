"""The plan of a plot: which model and which shot every cell shows, and in which order they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from engine.errors import Named, Problem, ProblemError, Problems
from engine.shots.shot import Shot
from studies.pictures.embedding_names import EmbeddingNames
from studies.pictures.plot_axes import PlotAxis
from studies.pictures.plot_kinds import ShotSettings
from studies.pictures.plot_models import PlotModels, engines
from studies.pictures.sources import noise_pairs

LETTERS = ("X", "Y", "Z")
SCRIPT = "X/Y/Z plot"
SEED = "Seed"
"""The axis whose values are written twice into a picture: as they were typed, and one by one."""

CellPlace = tuple[int, int, int]
"""Column, row and part of a cell, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotCell:
    """One picture of a plot.

    Attributes:
        place: where it stands.
        source: number of its model in ``Models.sources``.
        vae: what decodes it; None: the model's own.
        shot: what it shows.
    """

    place: CellPlace
    source: int
    vae: Path | None
    shot: Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotPlan:
    """A plot before anything is rendered.

    Attributes:
        axes: at most one for each of X, Y and Z.
        models: what is built.
        cells: X runs fastest, then Y, then Z.
        vae_hashes: ten digits of every VAE file, by path.
        embeddings: what prompts may name.
        ztsnr: whether noise levels end in pure noise by the user's will.
    """

    axes: tuple[PlotAxis, ...]
    models: PlotModels
    cells: tuple[PlotCell, ...]
    vae_hashes: Mapping[Path, str] = field(default_factory=dict[Path, str])
    embeddings: EmbeddingNames = field(default_factory=lambda: EmbeddingNames(None))
    ztsnr: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Room for every picture: the largest width and the largest height."""
        sizes = [cell.shot.picture_size for cell in self.cells]
        return max(width for width, _ in sizes), max(height for _, height in sizes)

    def labels(self, letter: str) -> list[str]:
        """Of the axis X, Y or Z; one empty label where there is none."""
        axis = _axis_of(self.axes, letter)
        return axis.labels if axis else [""]

    def where(self, cell: PlotCell) -> str:
        """The labels of a cell, for messages."""
        texts = [self.labels(letter)[at] for letter, at in zip(LETTERS, cell.place, strict=True)]
        return ", ".join(text for text in texts if text)

    def infotext(self, cell: PlotCell | None = None) -> str:
        """The WebUI's text for a cell, or for the whole: that of the first cell, and the pairs of the script."""
        one = cell or self.cells[0]
        digits = self.vae_hashes[one.vae] if one.vae else ""
        more = self.embeddings.pairs(one.shot) | noise_pairs(ztsnr=self.ztsnr)
        more |= {} if cell else script_pairs(self.axes)
        return self.models.sources[one.source].infotext(one.shot, vae=one.vae, vae_hash=digits, more=more)

    @property
    def vaes(self) -> list[Path | None]:
        """Every VAE that decodes, each once."""
        return list(dict.fromkeys(cell.vae for cell in self.cells))

    def orders(self, batch: int) -> Iterator[tuple[list[int], list[list[PlotCell]]]]:
        """The order of work, in which no engine is opened twice, no recipe built twice, and VAEs change seldom.

        Yields:
            Numbers of the sources that one engine builds, the one that takes the most models first; then their cells in
            pieces of one source, one VAE and one size, at most ``batch`` each. A source starts with the VAE that the
            one before it ended with.
        """
        for group in engines(self.models.sources):
            pieces: list[list[PlotCell]] = []
            for number in sorted(group):
                pieces += self._pieces(number, batch, pieces[-1][0].vae if pieces else None)
            yield group, pieces

    def _pieces(self, source: int, batch: int, vae: Path | None) -> Iterator[list[PlotCell]]:
        alike: dict[tuple[Path | None, int, int], list[PlotCell]] = {}
        for cell in self.cells:
            if cell.source == source:
                alike.setdefault((cell.vae, *cell.shot.picture_size), []).append(cell)
        order = {found: place for place, found in enumerate([vae, *(found for found in self.vaes if found != vae)])}
        for key in sorted(alike, key=lambda key: order[key[0]]):
            yield from (alike[key][start : start + batch] for start in range(0, len(alike[key]), batch))


def plan(
    axes: Sequence[PlotAxis], base: ShotSettings, models: PlotModels, problems: Problems, *, vae: Path | None = None
) -> PlotPlan:
    """Every cell of a plot.

    Args:
        axes: of the plot, in the order X, Y, Z.
        base: the settings that no axis changes, by the names of ``Shot``.
        models: read for these axes.
        problems: what cannot be rendered is added here, with the axis and the value at fault.
        vae: what decodes where no axis says it.
    """
    of_vaes = next((axis for axis in axes if axis.kind.sort == "vae"), None)
    counts = [len(axis.values) if (axis := _axis_of(axes, letter)) else 1 for letter in LETTERS]
    wrong: dict[str, tuple[Problem, list[CellPlace]]] = {}
    found: list[PlotCell] = []
    for z, y, x in product(*map(range, reversed(counts))):
        place = (x, y, z)
        source = models.by_place.get(tuple(place[LETTERS.index(axis.letter)] for axis in models.axes))
        try:
            shot = Shot(**_settings(axes, base, place))
        except ProblemError as error:
            for problem in error.problems:
                wrong.setdefault(str(problem), (problem, []))[1].append(place)
            continue
        if source is not None:
            own = _value_at(of_vaes, place) if of_vaes else vae
            found.append(PlotCell(place=place, source=source, vae=own, shot=shot))
    problems.extend([_with_values(problem, places, axes) for problem, places in wrong.values()])
    return PlotPlan(axes=tuple(axes), models=models, cells=tuple(found))


def _axis_of(axes: Sequence[PlotAxis], letter: str) -> PlotAxis | None:
    return next((axis for axis in axes if axis.letter == letter), None)


def _value_at(axis: PlotAxis, place: CellPlace) -> Any:
    return axis.values[place[LETTERS.index(axis.letter)]]


def _settings(axes: Sequence[PlotAxis], base: ShotSettings, place: CellPlace) -> dict[str, Any]:
    """Values that replace a setting whole come first, then those that change what is there, each in the axes' order."""
    fields = base
    for axis in sorted(axes, key=lambda axis: not axis.kind.fields):
        if axis.kind.put:
            fields = axis.kind.put(fields, _value_at(axis, place), axis.values)
    return dict(fields)


def _with_values(problem: Problem, places: Sequence[CellPlace], axes: Sequence[PlotAxis]) -> Problem:
    """A problem at the values that all its cells, and only some cells, have."""
    words: list[str] = []
    for axis in axes:
        at = sorted({place[LETTERS.index(axis.letter)] for place in places})
        if len(at) < len(axis.values) or problem.place in _settings_of(axis):
            words.append(axis.where(at))
    return problem.under(Named(" and ".join(words))) if words else problem


def _settings_of(axis: PlotAxis) -> list[tuple[str, ...]]:
    """The settings of an axis as problems of shots name them, of both passes where the second follows the first."""
    names = [(field, field.removeprefix("hires_")) for field in axis.kind.fields]
    return [place for field, name in names for place in ((field,), ("hires", name))]


def idle_axes(plan: PlotPlan) -> Iterator[PlotAxis]:
    """Axes of several values that make no difference in any cell, such as Eta for a sampler without fresh noise."""
    contents: dict[CellPlace, object] = {cell.place: (cell.source, cell.vae, cell.shot.key) for cell in plan.cells}
    for axis in plan.axes:
        at = LETTERS.index(axis.letter)
        by_others: dict[tuple[int, ...], set[object]] = {}
        for place, content in contents.items():
            by_others.setdefault(place[:at] + place[at + 1 :], set()).add(content)
        if len(axis.values) > 1 and all(len(found) == 1 for found in by_others.values()):
            yield axis


def script_pairs(axes: Sequence[PlotAxis]) -> dict[str, str]:
    """What the WebUI writes into a grid beside the pairs of its first cell (scripts/xyz_grid.py of 1.10), by key."""
    found = {"Script": SCRIPT}
    for axis in axes:
        found |= {f"{axis.letter} Type": axis.kind.name, f"{axis.letter} Values": axis.text}
        if axis.kind.name == SEED:
            found[f"Fixed {axis.letter} Values"] = ", ".join(map(str, axis.values))
    return found
