"""Options of the commands that render outside a study, and their notes and warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.footprint.options import ENCODERS, PARENTS, SPEEDS, VAE_PRECISIONS
from engine.shots.limits import CFG, ETA, S_NOISE
from engine.shots.options import EMPHASES, LIMITS
from studies.cli.numbers import SettingNumber

if TYPE_CHECKING:
    from engine.shots.shot import Shot
    from studies.pictures.taken import TakenSettings

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
    click.option("--cfg", type=SettingNumber(CFG), help="CFG scale.  [default: 7]"),
    click.option("--clip-skip", type=int, help="1 reads the text encoder's last layer.  [default: 1]"),
    click.option("--rng", type=click.Choice(["CPU", "NV"]), help="Whose random numbers.  [default: CPU]"),
    click.option("--eta", type=SettingNumber(ETA), help="Share of fresh noise.  [default: the sampler's]"),
    click.option("--s-noise", type=SettingNumber(S_NOISE), help="Factor on fresh noise.  [default: 1]"),
    click.option("--ensd", type=int, help="Eta noise seed delta.  [default: 0]"),
    click.option("--emphasis", type=click.Choice(EMPHASES), help="How weights in prompts count.  [default: Original]"),
    click.option(
        "--ngms",
        type=SettingNumber(LIMITS["ngms"]),
        help="Noise level below which every second call has no negative.  [default: 0]",
    ),
    click.option("--variation-seed", type=int, help="Seed of the noise that the first is turned to.  [default: 0]"),
    click.option(
        "--variation-strength",
        type=SettingNumber(LIMITS["variation_strength"]),
        help="How far it is turned.  [default: 0]",
    ),
    click.option("--from", "picture", type=_PATH, help="Take all of these from a WebUI's picture; options win."),
)


def chosen_option(name: str, words: Sequence[str], text: str = "") -> Callable[..., Any]:
    """An option whose value is one of some words, the first one by default."""
    return click.option(name, type=click.Choice(words), default=words[0], show_default=True, help=text or None)


ENGINE_OPTIONS = (
    click.option("--embeddings", type=_PATH, help="Folder of textual inversions."),
    click.option("--vae", type=_PATH, help="Decode with this VAE instead of the model's."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1, ..."),
    chosen_option(
        "--precision", ["auto", "fp16", "bf16", "fp32"], "In which number format UNet and text encoders work."
    ),
    chosen_option("--parents", PARENTS, "Where the parents of recipes that follow each other lie."),
    chosen_option("--encoders", ENCODERS, "Where text encoders and VAE wait while others work."),
    chosen_option("--vae-precision", VAE_PRECISIONS, "In which number format the VAE works."),
    chosen_option("--speed", SPEEDS, "Whether to compile the UNet."),
    chosen_option(
        "--prediction",
        ["auto", "epsilon", "v"],
        "What the model predicts: noise (epsilon) or velocity (v); auto: as its file says.",
    ),
    chosen_option("--ztsnr", ["auto", "on", "off"], "Whether the noise levels end in pure noise (zero terminal SNR)."),
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


def taken_from(
    picture: Path | None, given: Mapping[str, Any], *, vae: Path | None, embeddings: Path | None
) -> TakenSettings:
    """The settings in a picture's text, with notes and warnings of what becomes of them printed; see `read_taken`."""
    from studies.pictures.taken import read_taken

    taken = read_taken(picture, given, vae=vae, embeddings=embeddings)
    for note in taken.notes:
        click.echo(f"note: {note}", err=True)
    for warning in taken.warnings:
        warn(warning)
    return taken


def warn_of_prompts(shots: Sequence[Shot]) -> None:
    """Warn of whatever seems wrong in the prompts and negatives, once each."""
    from engine.prompts.check import check_prompt

    passes = [part for shot in shots for part in shot.passes]
    for prompt, old in dict.fromkeys((part.prompt, part.compatibility.old_timelines) for part in passes):
        for remark in check_prompt(prompt, old_timelines=old):
            warn(f"prompt: {remark}")
    for negative, old in dict.fromkeys((part.negative, part.compatibility.old_timelines) for part in passes):
        for remark in check_prompt(negative, negative=True, old_timelines=old):
            warn(f"negative: {remark}")


def warn(text: str) -> None:
    """Print a warning beside the output; nothing for ""."""
    if text:
        click.echo(f"warning: {text}", err=True)
