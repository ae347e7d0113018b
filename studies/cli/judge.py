"""`recipe-search rescore` and `recipe-search pick`: other scores for a study that was run, and a person's choices."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurCommand, opened, plain_errors, study_argument
from studies.cli.nights.trust import allowed, trust_option
from studies.terminal import console

MOST_ANSWERS = 20
"""The most answers in a row that are none: a program may be typing."""

if TYPE_CHECKING:
    from studies.night.continuing.rescore import RescoreResult
    from studies.review.judging.picking import Picking


@click.command(cls=OurCommand)
@study_argument
@click.option("--render", is_flag=True, help="Render again where stored features lack something.")
@trust_option
@plain_errors
def rescore(study: Path, render: bool, *, trust: bool) -> None:
    """Judge all trials again by the study file as it is now (references, weights, scorers), without rendering."""
    from studies.night.continuing.rescore import rescore_study

    spec = allowed(opened(study), trust=trust)
    print_rescored(spec.storage.name, rescore_study(spec, console(), render=render), study)


def print_rescored(name: str, done: RescoreResult, study: Path) -> None:
    """Print the result of rescoring, and what to type next."""
    from engine.errors import counted

    if not done.changed:
        click.echo(f"{name}: no scorer, weight or reference has changed since the trials were scored")
        return
    for line in done.changed:
        click.echo(f"changed: {line}")
    click.echo(f"{counted(done.trials, 'trial')} judged again; the best now:")
    for number, before, after in done.moved[:5]:
        click.echo(f"  trial {number}: {after:+.2f} (before: {before:+.2f})")
    if done.proved:
        click.echo(f"all finalists had been rendered before: recipe-search show {study}")
    else:
        click.echo(f"some finalists were not rendered on held-out prompts yet: recipe-search run {study} goes on")


@click.command(cls=OurCommand)
@study_argument
@click.option(
    "--count", type=click.IntRange(min=0), default=20, show_default=True, help="Number of pairs to ask; 0 only reports."
)
@click.option("--by", help="Who picks; default: your login name.")
@click.option("--view/--no-view", default=True, help="Open every pair in the picture viewer, where there is a display.")
@click.option(
    "--apply", "apply_", is_flag=True, help="Ask nothing: write the fitted weights into the file, and rescore."
)
@trust_option
@plain_errors
def pick(study: Path, count: int, by: str | None, view: bool, apply_: bool, *, trust: bool) -> None:
    """Pick which of two pictures is closer to the look you want; your picks set the scorers' weights."""
    from studies.review.judging.picking import opened_picking

    if apply_:
        _apply(study, trust=trust)
        return
    with opened_picking(allowed(opened(study), trust=trust), by) as picking:
        _ask(picking, count, view)
        for line in picking.report():
            click.echo(line)


def _ask(picking: Picking, count: int, view: bool) -> None:
    """Ask pair after pair until enough, quit, Ctrl+C or the end of the input; what was answered is kept."""
    for number in range(1, count + 1):
        pair = picking.next()
        if pair is None:
            click.echo("no pair is left to ask")
            return
        click.echo(f"pair {number} of {count}: {picking.gallery.shot(pair).prompt}\n  {picking.pair_file}")
        if view and has_display():
            click.launch(str(picking.pair_file))
        try:
            answer = _prompted("closer to the target look", ("left", "right", "same", "broken", "quit"))
            if answer == "quit":
                return
            broken = _prompted("which one is broken", ("left", "right", "both")) if answer == "broken" else ""
        except click.Abort:  # Ctrl+C, or no more input
            click.echo()
            return
        picking.answer(pair, answer, broken)  # pyright: ignore[reportArgumentType] - one of the choices


def _prompted(question: str, choices: tuple[str, ...]) -> str:
    """A choice, by its word or its first letter."""
    letters = {choice[0]: choice for choice in choices}
    options = "/".join(f"[{choice[0]}]{choice[1:]}" for choice in choices)
    for _ in range(MOST_ANSWERS):
        answer = str(click.prompt(f"{question}? {options}", show_choices=False)).strip().lower()
        if answer in choices or answer in letters:
            return letters.get(answer, answer)
        click.echo(f"Error: there is no answer {answer!r:.40}; give one of {', '.join([*choices, *letters])}")
    raise click.ClickException(f"{MOST_ANSWERS} answers in a row were none; nothing of this pair is kept")


def has_display() -> bool:
    """Whether a picture viewer could show something here."""
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ))


def _apply(study: Path, *, trust: bool) -> None:
    """Write the fitted weights into the study file, and judge all trials by them."""
    from engine.files import read_text, write_text
    from studies.errors import StudyError
    from studies.night.continuing.rescore import rescore_study
    from studies.review.judging.picking import opened_picking
    from studies.review.judging.weights_text import weights_line, with_weights

    spec = allowed(opened(study), trust=trust)
    with opened_picking(spec) as picking:
        weights = picking.fitted()
    write_text(spec.storage.file, with_weights(read_text(spec.storage.file, StudyError), weights))
    click.echo(f"{spec.storage.file}: {weights_line(weights)}")
    after = allowed(opened(study), trust=trust)
    print_rescored(after.storage.name, rescore_study(after, console()), study)
