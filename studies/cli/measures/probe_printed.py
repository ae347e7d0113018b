"""What `recipe-search probe` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.terminal import console

if TYPE_CHECKING:
    from studies.results.probe import ProbeResult


def print_result(result: ProbeResult, folder: Path) -> None:
    """Print matrices, sentences and the answers to what people say, and where the files are."""
    from engine.errors import counted
    from studies.after_recipe.probe.texts.folklore import answered
    from studies.after_recipe.probe.texts.words import agreement, folklore_lines, legend_lines, matrix_lines, sentences
    from studies.results.probe import FOLDER

    click.echo(f"{counted(result.drawn, 'picture')} rendered; all others were kept from before")
    for method in result.methods:
        lines = [*legend_lines(result, method), *matrix_lines(result, method, console().width)]
        click.echo("\n" + "\n".join(lines))
    click.echo("\n" + "\n".join([*sentences(result, result.methods[0]), agreement(result)]).strip())
    click.echo("\n" + "\n".join(folklore_lines(answered(result))))
    for remark in (*result.broken, *result.remarks):
        click.echo(f"note: {remark}")
    click.echo(f"pictures and numbers: {folder / FOLDER}")
