"""Options of the commands that render outside a study, and their notes and warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.progress import console

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.shots.shot import Shot
    from studies.drawing.sheets import RgbPicture

FIRST_SEED = 1
MOST_SEEDS = 9999
"""The most seeds of one call: the names of pictures have four digits."""

_BLACK = "try another VAE (--vae), --precision fp32, or numbers of the recipe closer to neutral"
_PATH = click.Path(path_type=Path)
SHOT_OPTIONS = (
    click.option("-p", "--prompt", "prompts", multiple=True, help="What to show; may be given several times."),
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
    click.option("--from", "picture", type=_PATH, help="Take all of these from a WebUI's picture; options win."),
)
ENGINE_OPTIONS = (
    click.option("--embeddings", type=_PATH, help="Folder of textual inversions."),
    click.option("--vae", type=_PATH, help="Decode with this VAE instead of the model's."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1, ..."),
    click.option("--precision", type=click.Choice(["auto", "fp16", "bf16", "fp32"]), default="auto", show_default=True),
    click.option("--prediction", type=click.Choice(["auto", "epsilon", "v"]), default="auto", show_default=True),
    click.option("--batch", type=click.IntRange(1, 32), default=1, show_default=True, help="Pictures made at once."),
    click.option("--overwrite", is_flag=True, help="Replace pictures that are there."),
)


def with_options(options: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that puts the options on a command, in their order."""

    def put(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return put


def open_engine(models: Mapping[str, Path], round_to: str, **how: Any) -> Engine:
    """The engine, with a bar while it reads; ``how`` are the values of ``ENGINE_OPTIONS`` that it takes itself."""
    from engine.engine import Engine
    from studies.progress import bytes_meter

    with bytes_meter("reading the models", console()) as progress:
        return Engine.open(models, round_to=round_to, progress=progress, **how)


def base_settings(given: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names of ``Shot``.

    Args:
        given: those of options.
        taken: what a picture says; a sampler that is given also replaces its schedule and its eta.
    """
    dropped = {"schedule", "eta"} if "sampler" in given else set[str]()
    return {name: value for name, value in taken.items() if name not in dropped} | {**given}


def read_seeds(texts: Sequence[str]) -> list[int]:
    """Single seeds and ranges, each seed once, in the order given.

    Raises:
        StudyError: a text is neither, or a range is too long.
    """
    import re

    from studies.errors import StudyError

    found: dict[int, None] = {}
    for piece in (piece.strip() for text in texts for piece in text.split(",")):
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise StudyError(f"--seed {piece}: write a whole number from 0, or a range such as 1-4")
        if last - first >= MOST_SEEDS:
            raise StudyError(
                f"--seed {piece}: has {last - first + 1} seeds", remedy=f"at most {MOST_SEEDS} are allowed"
            )
        found |= dict.fromkeys(range(first, last + 1))
    return list(found)


def taken_from(picture: Path | None, vae: Path | None = None) -> dict[str, Any]:
    """The settings in a picture's text; notes name those not followed here, and its VAE unless one is given."""
    if picture is None:
        return {}
    from engine.shots.infotext import read_fields, shot_settings, unfollowed
    from studies.pictures.pictures import parameters_of

    fields = read_fields(parameters_of(picture))
    for words in unfollowed(fields):
        click.echo(f"note: {picture.name} says {words}, which is not followed here", err=True)
    if vae is None and "VAE" in fields:
        click.echo(f"note: {picture.name} was decoded by {fields['VAE']}; give that file with --vae", err=True)
    return shot_settings(fields)


def warn_of_prompts(shots: Sequence[Shot]) -> None:
    """Warn of whatever seems wrong in the prompts and negatives, once each."""
    from engine.prompts.check import check_prompt

    passes = [part for shot in shots for part in shot.passes]
    for prompt in dict.fromkeys(part.prompt for part in passes):
        for remark in check_prompt(prompt):
            click.echo(f"warning: prompt: {remark}", err=True)
    for negative in dict.fromkeys(part.negative for part in passes):
        for remark in check_prompt(negative, negative=True):
            click.echo(f"warning: negative: {remark}", err=True)


def warn_of_black(picture: RgbPicture, where: str) -> None:
    """Warn if a picture is black all over."""
    from studies.pictures.pictures import is_black

    if is_black(picture):
        click.echo(f"warning: {where}: is black all over; {_BLACK}", err=True)


def refuse_existing(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Make the folder of the paths, and check that none of them exists.

    Raises:
        StudyError: one exists and may not be overwritten, or the folder cannot be made.
    """
    from studies.errors import StudyError

    folder = paths[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"the folder cannot be made ({error.strerror})", place=(folder,), remedy="choose another"
        ) from error
    there = [path.name for path in paths if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise StudyError(
            f"already holds {there[0]}{more}", place=(folder,), remedy="choose another folder, or add --overwrite"
        )


def vae_digits(vae: Path | None) -> str:
    """Ten digits of a VAE file's SHA-256, which pictures name it by; empty for no file."""
    from studies.pictures.sources import SHORT

    return file_hashes({"vae": vae})["vae"][:SHORT] if vae else ""


def file_hashes(models: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of the files, by name, with a bar while they are read."""
    from studies.inputs.hashes import hashes_of, user_memory
    from studies.progress import bytes_meter

    with bytes_meter("hashing", console()) as progress:
        return hashes_of(models, user_memory(), progress)
