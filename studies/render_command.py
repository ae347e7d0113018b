"""``recipe-search render``: pictures of a recipe, or of a checkpoint, outside a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.hires_options import HIRES_OPTIONS
from studies.plain import console, told_plainly

if TYPE_CHECKING:
    from engine.session import Engine
    from engine.shots import Shot
    from studies.render_sources import Source

FIRST_SEED = 1
MOST_PICTURES = 9999
"""Of one call: what the four digits of the names hold."""

_PATH = click.Path(path_type=Path)
_SHOT_OPTIONS = (
    click.option("-p", "--prompt", "prompts", multiple=True, help="What to show; several times for several."),
    click.option("-n", "--negative", help="What not to show."),
    click.option("--seed", "seeds", multiple=True, metavar="SEEDS", help="Such as 7, 1-4 or 1,5,8-9.  [default: 1]"),
    click.option("--width", type=int, help="Pixels, a multiple of 8.  [default: 512]"),
    click.option("--height", type=int, help="Pixels, a multiple of 8.  [default: 512]"),
    click.option("--steps", type=int, help="Sampling steps.  [default: 20]"),
    click.option("--sampler", help="Such as Euler a or DPM++ 2M Karras.  [default: DPM++ 2M]"),
    click.option("--schedule", help="Such as Karras.  [default: Automatic]"),
    click.option("--cfg", type=float, help="CFG scale.  [default: 7]"),
    click.option("--clip-skip", type=int, help="1 reads the text encoder's last layer.  [default: 1]"),
    click.option("--rng", type=click.Choice(["CPU", "NV"]), help="Whose random numbers.  [default: CPU]"),
    click.option("--eta", type=float, help="Share of fresh noise.  [default: the sampler's]"),
    click.option("--s-noise", type=float, help="Factor on fresh noise.  [default: 1]"),
    click.option("--ensd", type=int, help="Eta noise seed delta.  [default: 0]"),
    click.option("--from", "picture", type=_PATH, help="Take all of these from a WebUI's PNG; options win."),
)
_ENGINE_OPTIONS = (
    click.option("--embeddings", type=_PATH, help="Folder of textual inversions."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1, ..."),
    click.option("--precision", type=click.Choice(["auto", "fp16", "bf16", "fp32"]), default="auto", show_default=True),
    click.option("--prediction", type=click.Choice(["auto", "epsilon", "v"]), default="auto", show_default=True),
    click.option("--batch", type=click.IntRange(1, 32), default=1, show_default=True, help="Pictures made at once."),
    click.option("--overwrite", is_flag=True, help="Replace pictures that are there."),
)


def _with(options: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def put(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return put


@click.command()
@click.argument("recipe", type=_PATH)
@click.argument("folder", type=_PATH)
@_with(_SHOT_OPTIONS)
@_with(HIRES_OPTIONS)
@_with(_ENGINE_OPTIONS)
@told_plainly
def render(
    recipe: Path,
    folder: Path,
    prompts: tuple[str, ...],
    seeds: tuple[str, ...],
    picture: Path | None,
    embeddings: Path | None,
    upscalers: Path | None,
    device: str,
    precision: str,
    prediction: str,
    batch: int,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Render a recipe file, or a checkpoint as it is, into FOLDER: one PNG for every prompt and seed."""
    from engine.session import Engine
    from studies.hires_options import refuse_unknown_upscaler, with_hires
    from studies.progress import bytes_meter
    from studies.render_sources import read_source

    given, taken = {name: value for name, value in settings.items() if value is not None}, _taken(picture)
    shots = shots_of(prompts, seeds, with_hires(given, taken, prompted=bool(prompts)), taken)
    refuse_unknown_upscaler(shots[0].hires, upscalers)
    paths = [folder / f"{number:04d}-{shot.seed}.png" for number, shot in enumerate(shots, start=1)]
    _refuse_written(paths, overwrite=overwrite)
    _warn(shots)
    source = read_source(recipe, _hashes)
    for note in source.notes:
        click.echo(f"note: {note}", err=True)
    with bytes_meter("reading the models", console()) as progress:
        engine = Engine.open(
            source.models,
            device=device,
            precision=precision,
            round_to=source.round_to,
            embeddings=embeddings,
            upscalers=upscalers,
            prediction=prediction,
            progress=progress,
        )
    with engine:
        _make(engine, source, shots, paths, batch)
    click.echo(f"wrote {paths[0]}" + (f" to {paths[-1].name}" if len(paths) > 1 else ""))


# ----------------------------------------------------------------------------------------------------------- shots


def shots_of(prompts: Sequence[str], seeds: Sequence[str], given: dict[str, Any], taken: dict[str, Any]) -> list[Shot]:
    """Every prompt with every seed.

    Args:
        prompts: none: that of the picture.
        seeds: texts such as "1-4"; none: that of the picture, or 1.
        given: settings by the names of ``Shot``.
        taken: what a picture says; a sampler that is given also replaces its schedule and its eta.

    Raises:
        StudyError: no prompt, seeds that are none, or too many pictures.
        RenderError: a setting is out of its range.
    """
    from engine.shots import Shot
    from studies.errors import StudyError

    dropped = {"schedule", "eta"} if "sampler" in given else set[str]()
    base = {name: value for name, value in taken.items() if name not in dropped} | given
    texts = prompts or ((base["prompt"],) if "prompt" in base else ())
    if not texts:
        raise StudyError('nothing to show: give a prompt with -p "...", or a picture of a WebUI with --from')
    numbers = _seeds(seeds) or [base.get("seed", FIRST_SEED)]
    if len(texts) * len(numbers) > MOST_PICTURES:
        raise StudyError(f"{len(texts) * len(numbers)} pictures are too many for one call; at most {MOST_PICTURES}")
    every: list[dict[str, Any]] = [{**base, "prompt": text, "seed": seed} for text in texts for seed in numbers]
    return [Shot(**fields) for fields in every]


def _seeds(texts: Sequence[str]) -> list[int]:
    """Single seeds and ranges, each seed once, in the order given."""
    import re

    from studies.errors import StudyError

    found: dict[int, None] = {}
    for piece in (piece.strip() for text in texts for piece in text.split(",")):
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise StudyError(f"--seed {piece}: write a whole number from 0, or a range such as 1-4")
        if last - first >= MOST_PICTURES:
            raise StudyError(f"--seed {piece}: these are {last - first + 1} seeds; at most {MOST_PICTURES}")
        found |= dict.fromkeys(range(first, last + 1))
    return list(found)


def _taken(picture: Path | None) -> dict[str, Any]:
    """What a picture says of its shot; what cannot be followed is told."""
    if picture is None:
        return {}
    from engine.infotext import read_fields, shot_settings, unfollowed
    from studies.pictures import parameters_of

    fields = read_fields(parameters_of(picture))
    for words in unfollowed(fields):
        click.echo(f"note: {picture.name} says {words}, which is not followed here", err=True)
    return shot_settings(fields)


def _warn(shots: Sequence[Shot]) -> None:
    from engine.prompt_check import check_prompt

    passes = [part for shot in shots for part in shot.passes]
    for prompt in dict.fromkeys(part.prompt for part in passes):
        for remark in check_prompt(prompt):
            click.echo(f"warning: prompt: {remark}", err=True)
    for negative in dict.fromkeys(part.negative for part in passes):
        for remark in check_prompt(negative, negative=True):
            click.echo(f"warning: negative: {remark}", err=True)


# --------------------------------------------------------------------------------------------------------- pictures


def _refuse_written(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Make the folder, and look that nothing in it is in the way."""
    from studies.errors import StudyError

    folder = paths[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{folder}: cannot be made a folder ({error.strerror}); choose another") from error
    there = [path.name for path in paths if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise StudyError(f"{folder}: holds {there[0]}{more} already; choose another folder, or give --overwrite")


def _make(engine: Engine, source: Source, shots: Sequence[Shot], paths: Sequence[Path], batch: int) -> None:
    """Render so many at once; each picture is on disk before the next ones begin."""
    from engine.infotext import infotext
    from studies.pictures import save_picture
    from studies.progress import meter
    from studies.workshop import as_bytes

    recipe = source.made_by
    more = {"Recipe": recipe.key} if recipe else {}
    engine.build(source.recipe)
    with meter("rendering", len(shots), console()) as bar:
        for start in range(0, len(shots), batch):
            piece, names = shots[start : start + batch], paths[start : start + batch]
            pictures = as_bytes(engine.render(piece, progress=bar.advance))
            for shot, path, picture in zip(piece, names, pictures, strict=True):
                text = infotext(shot, model=source.name, model_hash=source.short_hash, more=more)
                save_picture(picture, path, parameters=text, recipe=recipe.text if recipe else "")


def _hashes(models: Mapping[str, Path]) -> dict[str, str]:
    from studies.hashes import hashes_of, user_memory
    from studies.progress import bytes_meter

    with bytes_meter("hashing the checkpoint", console()) as progress:
        return hashes_of(models, user_memory(), progress)
