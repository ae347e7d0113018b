"""Rendering a plot: every engine opened once, every recipe built once, every picture put into its cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from engine.errors import Named, RenderError
from studies.drawing.grids import Grid, GridLabel
from studies.drawing.lettering import Lettering
from studies.drawing.sheets import RgbPicture
from studies.pictures.pictures import black_warning, save_picture
from studies.pictures.plot_captions import caption as caption_of
from studies.pictures.plot_plan import CellPlace, PlotCell, PlotPlan
from studies.pictures.sources import open_engine
from studies.progress import Meter, meter

if TYPE_CHECKING:
    from engine.engine import Engine


def grid_of(plan: PlotPlan, *, margin: int = 0, font: Path | None = None, caption: bool | None = None) -> Grid:
    """The grid of a plan, for its labels and sizes.

    Args:
        plan: what will be rendered.
        margin: pixels between cells.
        font: a font of a person's own.
        caption: whether the recipes stand below; None: if an axis chooses recipes.

    Raises:
        StudyError: the font cannot be read.
    """
    captioned = bool(plan.models.axes) if caption is None else caption
    columns, rows, parts = ([GridLabel(text=text) for text in plan.labels(letter)] for letter in "XYZ")
    return Grid(
        cell=plan.size,
        columns=columns,
        rows=rows,
        parts=parts,
        margin=margin,
        caption=caption_of(plan.models) if captioned else (),
        lettering=Lettering(font),
    )


def render_plan(
    plan: PlotPlan,
    grid: Grid,
    out: Path,
    paths: Mapping[CellPlace, Path],
    *,
    batch: int,
    how: Mapping[str, Any],
    console: Console,
    warn: Callable[[str], None],
) -> list[RenderError]:
    """Render all cells, save each that has a path, and write the grid.

    Args:
        plan: what to render.
        grid: of this plan.
        out: the grid's file.
        paths: files of single pictures.
        batch: pictures made at once, at most.
        how: values for ``Engine.open``.
        console: for the progress.
        warn: called with the warning of every picture, "" where there is none.

    Returns:
        What went wrong, for every cell that came out broken and stays empty.

    Raises:
        RenderError: every cell is broken.
    """
    sheet = grid.blank()
    broken: list[RenderError] = []
    with meter("rendering", len(plan.cells), console) as bar:
        for group, pieces in plan.orders(batch):
            first = plan.models.sources[group[0]]
            with open_engine(first.models, first.round_to, vae=pieces[0][0].vae, **how) as engine:
                source, vae = -1, pieces[0][0].vae
                for piece in pieces:
                    if piece[0].source != source:
                        source = piece[0].source
                        engine.build(plan.models.sources[source].recipe)
                    if piece[0].vae != vae:
                        vae = piece[0].vae
                        engine.use_vae(vae)
                    for cell, picture in _rendered(engine, plan, piece, bar, broken):
                        grid.put(sheet, cell.place, picture)
                        warn(black_warning(picture, plan.where(cell)))
                        if cell.place in paths:
                            _save(plan, cell, picture, paths[cell.place])
    if len(broken) == len(plan.cells):
        raise RenderError(f"every picture came out broken:\n  {broken[0]}")
    recipe = plan.models.sources[plan.cells[0].source].recipe_text
    save_picture(np.asarray(sheet), out, parameters=plan.infotext(), recipe=recipe)
    return broken


def _save(plan: PlotPlan, cell: PlotCell, picture: RgbPicture, path: Path) -> None:
    recipe = plan.models.sources[cell.source].recipe_text
    save_picture(picture, path, parameters=plan.infotext(cell), recipe=recipe)


def _rendered(
    engine: Engine, plan: PlotPlan, piece: Sequence[PlotCell], bar: Meter, broken: list[RenderError]
) -> list[tuple[PlotCell, RgbPicture]]:
    """The pictures of cells of one size; those that come out broken are noted and left out, the others rendered."""
    from studies.drawing.sheets import as_bytes

    try:
        pictures = as_bytes(engine.render([cell.shot for cell in piece]))
    except RenderError as error:
        if len(piece) > 1:
            return [rendered for cell in piece for rendered in _rendered(engine, plan, [cell], bar, broken)]
        broken.append(error.under(Named(plan.where(piece[0]))))
        pictures = []
    bar.advance(len(piece))
    return list(zip(piece, pictures, strict=False))
