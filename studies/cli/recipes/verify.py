"""``recipe-search verify``: whether an export is what its recipe makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurCommand, examples, plain_errors
from studies.cli.recipes.recipe_options import FAMILY_OPTION
from studies.terminal import console

if TYPE_CHECKING:
    from engine.architecture.widths import FamilyName
    from studies.recipes.verify import Verification

_SHOWN = 20


class _CannotVerifyError(click.ClickException):
    """An export cannot be compared: a parent is missing, or it cannot be read."""

    exit_code = 2


@click.command(cls=OurCommand, epilog=examples("verify merged.safetensors --parents models"))
@click.argument("export", type=click.Path(path_type=Path))
@click.option(
    "--parents",
    multiple=True,
    metavar="NAME=PATH",
    help="Where a parent is, or a folder to find parents in by their SHA-256; several times.",
)
@click.option(
    "--recipe", type=click.Path(path_type=Path), help="The recipe it should be; default: the one that it carries."
)
@FAMILY_OPTION
def verify(export: Path, parents: tuple[str, ...], recipe: Path | None, family: FamilyName | None) -> None:
    """Compare EXPORT, a merged checkpoint or a text for another tool, with what its recipe makes.

    Exit status 0: everything is equal; 1: something differs; 2: it cannot be compared.
    """
    try:
        found = _verified(export, parents, recipe, family)
    except click.ClickException as error:
        raise _CannotVerifyError(error.message) from error
    _show(found)
    if not found.holds:
        raise click.exceptions.Exit(1)


@plain_errors
def _verified(export: Path, parents: tuple[str, ...], recipe: Path | None, family: FamilyName | None) -> Verification:
    from studies.progress import bytes_meter
    from studies.review.verification import verify_export

    with bytes_meter("comparing", console()) as progress:
        return verify_export(export, parents, recipe, progress, family=family)


def _show(found: Verification) -> None:
    """The result for people: the sentence, then every difference."""
    click.echo(found.subject)
    for note in found.notes:
        click.echo(f"note: {note}")
    for one in found.different[:_SHOWN]:
        largest = "" if one.largest is None else f", by {one.largest:.3g} at most"
        click.echo(f"  differs: {one.name}: {one.what}{largest}")
    for word, names in (("missing", found.missing), ("not of the recipe", found.extra)):
        for name in names[:_SHOWN]:
            click.echo(f"  {word}: {name}")
    hidden = sum(max(0, len(row) - _SHOWN) for row in (found.different, found.missing, found.extra))
    if hidden:
        click.echo(f"  and {hidden} more")
    counts = [f"{found.equal} equal"]
    counts += [f"{len(found.different)} differ"] * bool(found.different)
    counts += [f"{len(found.missing)} missing"] * bool(found.missing)
    counts += [f"{len(found.extra)} not of the recipe"] * bool(found.extra)
    click.echo(f"{'as the recipe makes it' if found.holds else 'NOT as the recipe makes it'}: {', '.join(counts)}")
