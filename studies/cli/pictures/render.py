"""``recipe-search render``: pictures of a recipe, or of a checkpoint, outside a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from studies.cli.command import OurCommand, examples, plain_errors
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
    from engine.engine import Engine
    from engine.shots.shot import Shot
    from studies.pictures.sources import PictureSource

MOST_PICTURES = 9999
"""The most pictures of one call: their names have four digits."""


@click.command(
    cls=OurCommand,
    epilog=examples(
        'render recipe.toml pictures -p "a red cat" --seed 1-4', "render merged.safetensors pictures --from liked.png"
    ),
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@with_options(SHOT_OPTIONS)
@with_options(HIRES_OPTIONS)
@with_options(ENGINE_OPTIONS)
@plain_errors
def render(
    recipe: Path,
    folder: Path,
    prompts: tuple[str, ...],
    seeds: tuple[str, ...],
    picture: Path | None,
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
    batch: int,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Render a recipe file, or a checkpoint as it is, into FOLDER: one PNG for every prompt and seed."""
    from studies.pictures.hires_settings import refuse_unknown_upscaler
    from studies.pictures.pictures import refuse_existing
    from studies.pictures.sources import file_hashes, open_engine, read_source

    given = {name: value for name, value in settings.items() if value is not None}
    taken = taken_from(picture, given | ({"seed": seeds} if seeds else {}), vae=vae, embeddings=embeddings)
    shots = shots_of(prompts, seeds, given, taken.settings)
    refuse_unknown_upscaler(shots[0].hires, upscalers)
    paths = [folder / f"{number:04d}-{shot.seed}.png" for number, shot in enumerate(shots, start=1)]
    refuse_existing(paths, overwrite=overwrite)
    warn_of_prompts(shots)
    source = read_source(recipe, file_hashes)
    for note in source.notes:
        click.echo(f"note: {note}", err=True)
    folders = {"embeddings": embeddings, "upscalers": upscalers}
    chosen = "on" if taken.zero_terminal and ztsnr == "auto" else ztsnr
    lying = {"parents": parents, "encoders": encoders, "vae_precision": vae_precision}
    how = {"device": device, "precision": precision, "prediction": prediction, "ztsnr": chosen, "speed": speed}
    how |= {**lying, **folders}
    with open_engine(source.models, source.round_to, vae=vae, **how) as engine:
        _render_all(engine, source, shots, paths, batch, FilesBeside(vae, embeddings))
    click.echo(f"wrote {paths[0]}" + (f" to {paths[-1].name}" if len(paths) > 1 else ""))


def shots_of(
    prompts: Sequence[str], seeds: Sequence[str], given: Mapping[str, Any], taken: Mapping[str, Any]
) -> list[Shot]:
    """Every prompt with every seed.

    Args:
        prompts: if empty, that of the picture.
        seeds: texts such as "1-4"; if empty, that of the picture, or 1.
        given: settings by the names of options.
        taken: settings of a picture; a sampler that is given also replaces its schedule and its eta.

    Raises:
        StudyError: no prompt, wrong seeds, too many pictures, or settings out of their ranges; all of it is named.
    """
    from engine.errors import Problems, counted
    from engine.shots.shot import Shot
    from studies.errors import StudyError
    from studies.pictures.hires_settings import with_hires, without_hires
    from studies.pictures.settings import FIRST_SEED, base_settings, read_seeds

    problems, settings, numbers = Problems(), without_hires(given), list[int]()
    with problems.collecting():
        settings = with_hires(given, taken, prompted=bool(prompts))
    with problems.collecting():
        numbers = read_seeds(seeds)
    base = base_settings(settings, taken)
    numbers = numbers or [base.get("seed", FIRST_SEED)]
    texts = prompts or ((base["prompt"],) if "prompt" in base else ())
    if not texts:
        problems.add((), 'nothing to show: give a prompt with -p "...", or a picture of a WebUI with --from')
    if (count := len(texts) * len(numbers)) > MOST_PICTURES:
        problems.add((), f"{counted(count, 'picture')} are too many for one call", f"at most {MOST_PICTURES}")
    every: list[dict[str, Any]] = [{**base, "prompt": text, "seed": seed} for text in texts for seed in numbers]
    first: dict[str, Any] = every[0] if every else {"prompt": "", "seed": FIRST_SEED, **base}
    with problems.collecting():
        Shot(**first)
    problems.raise_as(StudyError)
    return [Shot(**fields) for fields in every]


class FilesBeside(NamedTuple):
    """The files beside the models that a picture names in its text."""

    vae: Path | None
    embeddings: Path | None


def _render_all(
    engine: Engine, source: PictureSource, shots: Sequence[Shot], paths: Sequence[Path], batch: int, files: FilesBeside
) -> None:
    """Render so many at once; each picture is on disk before the next ones begin."""
    from studies.drawing.sheets import as_bytes
    from studies.pictures.embedding_names import EmbeddingNames
    from studies.pictures.pictures import black_warning, save_picture
    from studies.pictures.sources import noise_pairs, vae_digits
    from studies.progress import meter

    digits, embeddings = vae_digits(files.vae), EmbeddingNames(files.embeddings)
    noise = noise_pairs(ztsnr=engine.zero_terminal)
    engine.build(source.recipe)
    with meter("rendering", len(shots), console()) as bar:
        for start in range(0, len(shots), batch):
            piece, names = shots[start : start + batch], paths[start : start + batch]
            pictures = as_bytes(engine.render(piece, progress=bar.advance))
            for shot, path, picture in zip(piece, names, pictures, strict=True):
                more = embeddings.pairs(shot) | noise
                text = source.infotext(shot, vae=files.vae, vae_hash=digits, more=more)
                save_picture(picture, path, parameters=text, recipe=source.recipe_text)
                warn(black_warning(picture, str(path)))
