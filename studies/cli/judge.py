"""`recipe-search rescore` and `recipe-search pick`: other scores for a study that was run, and a person's own word."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import opened, study_argument, told_plainly
from studies.progress import console

if TYPE_CHECKING:
    from studies.night.rescore import Rescored
    from studies.review.picking import Picking
    from studies.studyfile.read import StudySpec


@click.command()
@study_argument
@click.option("--render", is_flag=True, help="Make pictures again whose features lack something that is read now.")
@told_plainly
def rescore(study: Path, render: bool) -> None:
    """Judge all trials anew by the study file as it is now (references, weights, scorers), without rendering."""
    from studies.night.rescore import rescore_study

    spec = opened(study)
    say_rescored(spec, rescore_study(spec, console(), render=render), study)


def say_rescored(spec: StudySpec, done: Rescored, study: Path) -> None:
    """Say what rescoring came to, and what to type next."""
    if not done.changed:
        click.echo(f"{spec.name}: nothing that judges has changed since the trials were scored")
        return
    for line in done.changed:
        click.echo(f"changed: {line}")
    click.echo(f"{done.trials} trials judged anew; the best now:")
    for number, before, after in done.moved[:5]:
        click.echo(f"  trial {number}: {after:+.2f} (before: {before:+.2f})")
    if done.proved:
        click.echo(f"the finalists were all rendered before: recipe-search show {study}")
    else:
        click.echo(f"finalists that were never rendered on held-out prompts: recipe-search run {study} goes on")


@click.command()
@study_argument
@click.option("--count", default=20, show_default=True, help="How many pairs to ask; 0 only reports.")
@click.option("--by", help="Who picks; default: your login name.")
@click.option("--view/--no-view", default=True, help="Open every pair in the picture viewer, where there is a display.")
@click.option("--apply", "apply_", is_flag=True, help="Ask nothing: put the fitted weights into the file, and rescore.")
@told_plainly
def pick(study: Path, count: int, by: str | None, view: bool, apply_: bool) -> None:
    """Say which of two pictures is closer to the look you want; your picks weigh the scorers."""
    from studies.review.picking import opened_picking

    spec = opened(study)
    if apply_:
        _apply(spec, study)
        return
    with opened_picking(spec, by) as picking:
        _ask(picking, count, view)
        for line in picking.report():
            click.echo(line)


def _ask(picking: Picking, count: int, view: bool) -> None:
    """Ask pair after pair until enough, quit, Ctrl+C or the end of the input; what was answered is kept."""
    for number in range(1, count + 1):
        pair = picking.next()
        if pair is None:
            click.echo("there is no pair left to ask")
            return
        click.echo(f"pair {number} of {count}: {picking.gallery.shot(pair).prompt}\n  {picking.pair_file}")
        if view and has_display():
            click.launch(str(picking.pair_file))
        try:
            said = _asked("closer to the wanted look", ("left", "right", "same", "broken", "quit"))
            if said == "quit":
                return
            broken = _asked("which one is broken", ("left", "right", "both")) if said == "broken" else ""
        except click.Abort:  # Ctrl+C, or no more input
            click.echo()
            return
        picking.answer(pair, said, broken)  # pyright: ignore[reportArgumentType] - one of the choices


def _asked(question: str, choices: tuple[str, ...]) -> str:
    """A choice, by its word or its first letter."""
    letters = {choice[0]: choice for choice in choices}
    shown = "/".join(f"[{choice[0]}]{choice[1:]}" for choice in choices)
    said = click.prompt(
        f"{question}? {shown}",
        type=click.Choice([*choices, *letters], case_sensitive=False),
        show_choices=False,
    )
    return letters.get(said, said)


def has_display() -> bool:
    """Whether a picture viewer could show something here."""
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ))


def _apply(spec: StudySpec, study: Path) -> None:
    """Write the fitted weights into the study file, and judge all trials by them."""
    from engine.files import write_text
    from studies.night.rescore import rescore_study
    from studies.review.picking import opened_picking
    from studies.review.weights_text import weights_line, with_weights

    with opened_picking(spec) as picking:
        weights = picking.fitted()
    write_text(spec.file, with_weights(spec.file.read_text(encoding="utf-8"), weights))
    click.echo(f"{spec.file}: {weights_line(weights)}")
    after = opened(study)
    say_rescored(after, rescore_study(after, console()), study)
