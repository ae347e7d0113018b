"""The options of hires fix."""

from __future__ import annotations

from pathlib import Path

import click

from engine.shots.limits import CFG, DENOISE, SCALE
from studies.cli.numbers import SettingNumber

HIRES_OPTIONS = (
    click.option("--hires-upscaler", help="Latent, Lanczos, ... or a model's name. Any of these makes hires fix."),
    click.option("--hires-scale", type=SettingNumber(SCALE), help="How much larger the picture becomes.  [default: 2]"),
    click.option("--hires-resize", metavar="WxH", help="Or its size; one of the two may be 0."),
    click.option("--hires-steps", type=int, help="Steps of the second pass.  [default: as the first]"),
    click.option(
        "--denoise", type=SettingNumber(DENOISE), help="Denoising strength of the second pass.  [default: 0.7]"
    ),
    click.option("--hires-sampler", help="Sampler of the second pass.  [default: the first's]"),
    click.option("--hires-schedule", help="Its schedule.  [default: the first's]"),
    click.option("--hires-cfg", type=SettingNumber(CFG), help="Its CFG scale.  [default: the first's]"),
    click.option("--hires-prompt", help="Its prompt.  [default: the first's]"),
    click.option("--hires-negative", help="Its negative.  [default: the first's]"),
    click.option("--no-hires", is_flag=True, default=None, help="No second pass, whatever the picture of --from has."),
    click.option(
        "--upscalers", type=click.Path(path_type=Path), help="Folder of upscaler models (.pth, .safetensors)."
    ),
)
"""The options of the second pass, and the folder of its upscaler models."""
