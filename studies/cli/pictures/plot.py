"""``recipe-search plot``: X/Y/Z grids of pictures, over settings, prompts, seeds, recipes and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import counted
from studies.cli.command import OurCommand, plain_errors
from studies.cli.pictures.hires_options import HIRES_OPTIONS
from studies.cli.pictures.picture_options import (
    ENGINE_OPTIONS,
    SHOT_OPTIONS,
    taken_from,
    warn,
    warn_of_prompts,
    with_options,
)
from studies.terminal import console

if TYPE_CHECKING:
    from studies.drawing.grids import Grid
    from studies.pictures.plot_plan import CellPlace, PlotPlan

MOST_PICTURES = 500
"""The most pictures of a plot unless an option says more."""
MOST_MEGAPIXELS = 200
"""The most megapixels of a grid unless an option says more; the WebUI's own limit."""

_PATH = click.Path(path_type=Path)
_AXIS = "AXIS=VALUES"
_PLOT_OPTIONS = (
    click.option("-x", "x", metavar=_AXIS, help='Across, such as "CFG Scale=5-9(+2)" or "Sampler=Euler a,DPM++ 2M".'),
    click.option("-y", "y", metavar=_AXIS, help="Down."),
    click.option("-z", "z", metavar=_AXIS, help="Grids side by side."),
    click.option("--cells", type=_PATH, help="Folder in which to save every single picture as well."),
    click.option("--run", type=int, default=1, show_default=True, help="Which step SuperMerger's axes change."),
    click.option("--margin", type=click.IntRange(0, 500), default=0, show_default=True, help="Pixels between cells."),
    click.option("--caption/--no-caption", default=None, help="Block weights below.  [default: if over recipes]"),
    click.option("--font", type=_PATH, help="Font for all text; a TrueType or OpenType file."),
    click.option(
        "--limit", type=click.IntRange(1), default=MOST_PICTURES, show_default=True, help="The most pictures."
    ),
    click.option(
        "--max-megapixels",
        type=click.IntRange(1),
        default=MOST_MEGAPIXELS,
        show_default=True,
        help="The most megapixels of the grid.",
    ),
)


@click.command(cls=OurCommand)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=_PATH)
@click.argument("out", type=_PATH)
@with_options(_PLOT_OPTIONS)
@with_options(SHOT_OPTIONS)
@with_options(HIRES_OPTIONS)
@with_options(ENGINE_OPTIONS)
@plain_errors
def plot(
    sources: tuple[Path, ...],
    out: Path,
    x: str | None,
    y: str | None,
    z: str | None,
    cells: Path | None,
    run: int,
    margin: int,
    caption: bool | None,
    font: Path | None,
    limit: int,
    max_megapixels: int,
    prompts: tuple[str, ...],
    seeds: tuple[str, ...],
    picture: Path | None,
    batch: int,
    overwrite: bool,
    embeddings: Path | None,
    upscalers: Path | None,
    vae: Path | None,
    device: str,
    precision: str,
    parents: str,
    encoders: str,
    vae_precision: str,
    speed: str,
    prediction: str,
    ztsnr: str,
    **settings: Any,
) -> None:
    """Draw an X/Y/Z plot of recipe files and checkpoints into OUT (.png, .jpg or .webp).

    Axes: Seed, Steps, CFG Scale, Prompt, Negative prompt, Prompt S/R, Prompt order, Sampler, Schedule type, Sigma
    noise, Eta, ENSD, Clip skip, Size, RNG source, Hires steps, Hires upscaler, Hires sampler, Hires upscale,
    Denoising, VAE, Checkpoint name, Recipe; and SuperMerger's, such as mbw alpha, alpha, elemental, adjust. Seed,
    Prompt, Recipe and Checkpoint name without values take those of --seed, -p and SOURCE.
    """
    from engine.errors import Problems
    from studies.pictures.pictures import refuse_existing
    from studies.pictures.plot_kinds import fields_of
    from studies.pictures.plot_render import grid_of, render_plan
    from studies.pictures.plot_request import PlotRequest, planned
    from studies.pictures.settings import read_seeds
    from studies.pictures.sources import file_hashes

    axes = {letter: text for letter, text in (("X", x), ("Y", y), ("Z", z)) if text is not None}
    given = {name: value for name, value in settings.items() if value is not None}
    set_otherwise = dict.fromkeys({*fields_of(axes.values()), *(["seed"] if seeds else [])})
    taken = taken_from(picture, set_otherwise | given, vae=vae, embeddings=embeddings)
    chosen = "on" if taken.zero_terminal and ztsnr == "auto" else ztsnr
    problems, numbers = Problems(), list[int]()
    with problems.collecting():
        numbers = read_seeds(seeds)
    request = PlotRequest(
        axes=axes,
        sources=sources,
        prompts=prompts,
        seeds=numbers,
        wrong=problems.found,
        given=given,
        taken=taken.settings,
        vae=vae,
        upscalers=upscalers,
        prediction=prediction,
        embeddings=embeddings,
        ztsnr=chosen == "on",
        run=run,
        limit=limit,
    )
    plan, notes = planned(request, file_hashes)
    grid = grid_of(plan, margin=margin, font=font, caption=caption)
    _refuse_large(plan, grid, out, max_megapixels)
    refuse_existing([out], overwrite=overwrite)
    paths = _cell_paths(plan, cells)
    if paths:
        refuse_existing([*paths.values()], overwrite=overwrite)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    _tell(plan, grid)
    folders = {"embeddings": embeddings, "upscalers": upscalers}
    lying = {"parents": parents, "encoders": encoders, "vae_precision": vae_precision}
    how = {"device": device, "precision": precision, "prediction": prediction, "ztsnr": chosen, "speed": speed}
    how |= {**lying, **folders}
    broken = render_plan(plan, grid, out, paths, batch=batch, how=how, console=console(), warn=warn)
    click.echo(f"wrote {out}" + (f" and {counted(len(paths) - len(broken), 'picture')} in {cells}" if paths else ""))
    if broken:
        raise click.ClickException("\n".join(["these cells stay empty:", *(f"  {error}" for error in broken)]))


def _refuse_large(plan: PlotPlan, grid: Grid, out: Path, most: int) -> None:
    from studies.errors import StudyError
    from studies.pictures.pictures import refuse_unfit

    width, height = grid.size
    if width * height > most * 1_000_000:
        raise StudyError(
            f"the grid would be {width}x{height}, {width * height / 1e6:.0f} megapixels, and the limit is {most}",
            remedy=f"take fewer or smaller pictures, or --max-megapixels {width * height // 1_000_000 + 1}",
        )
    refuse_unfit(out, grid.size, plan.infotext())


def _cell_paths(plan: PlotPlan, folder: Path | None) -> dict[CellPlace, Path]:
    """Names that sort as the grid is read, and say where a picture stands in it."""
    if folder is None:
        return {}
    digits = {axis.letter: len(str(len(axis.values))) for axis in plan.axes}
    return {
        cell.place: folder
        / (
            "-".join(
                f"{letter.lower()}{at + 1:0{digits[letter]}d}"
                for letter, at in zip("ZYX", reversed(cell.place), strict=True)
                if letter in digits
            )
            + ".png"
        )
        for cell in plan.cells
    }


def _tell(plan: PlotPlan, grid: Grid) -> None:
    from studies.pictures.plot_plan import idle_axes

    warn_of_prompts([cell.shot for cell in plan.cells])
    for source in plan.models.sources:
        for note in source.notes:
            click.echo(f"note: {source.name}: {note}", err=True)
    for axis in idle_axes(plan):
        click.echo(f"note: the axis {axis.kind.name} changes nothing in this plot", err=True)
    if lacking := grid.lacking():
        warn(f"no font here has {' '.join(lacking)}, which show as boxes; name another with --font")
    width, height = grid.size
    pictures, models = counted(len(plan.cells), "picture"), counted(len(plan.models.sources), "model")
    click.echo(f"{pictures} of {models}, a grid of {width}x{height}")
