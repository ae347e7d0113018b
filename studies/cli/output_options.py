"""The options of the commands that write a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

DTYPES = ("fp16", "bf16", "fp32", "computed")
"""What ``--dtype`` may be: those of ``engine.merging.output``, which are not read here, since that loads torch."""


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that write a checkpoint: ``output`` (of ``engine.merging.output``), ``with_recipe``."""
    options = (
        click.option("--folded", is_flag=True, help="One pass and one rounding, as the search renders it."),
        click.option(
            "--prune", is_flag=True, help="Keep only UNet, VAE and text encoders: no EMA, no training buffers."
        ),
        click.option("--vae", type=click.Path(path_type=Path), help="Bake this VAE in."),
        click.option("--reset-clip-ids", is_flag=True, help="Repair the text encoder's position_ids."),
        click.option("--no-recipe", is_flag=True, help="Do not store in the file what it was made of."),
        click.option("--overwrite", is_flag=True, help="Replace files that are there."),
    )

    @wraps(command)
    def run(
        *args: object,
        folded: bool,
        prune: bool,
        vae: Path | None,
        reset_clip_ids: bool,
        no_recipe: bool,
        **rest: object,
    ) -> None:
        from engine.merging.output import Output

        output = Output(arithmetic="folded" if folded else "exact", prune=prune, vae=vae, reset_clip_ids=reset_clip_ids)
        command(output=output, with_recipe=not no_recipe, **rest)

    wrapped: Callable[..., None] = run
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped
