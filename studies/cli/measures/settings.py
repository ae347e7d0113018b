"""``recipe-search settings``: the sampler, CFG scale, steps and so on that suit a recipe, and what they cost."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurCommand, opened, plain_errors
from studies.cli.nights.trust import allowed, trust_option
from studies.terminal import console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from studies.after_recipe.measuring.subject import Subject
    from studies.after_recipe.settings.axes import AskedValues
    from studies.after_recipe.settings.plan import PlannedSettings
    from studies.after_recipe.settings.setup import SettingsSetup
    from studies.after_recipe.settings.steps import Report
    from studies.results.settings import LookBack, SettingsResult, SettingsStep, TriedValue
    from studies.studyfile.spec import StudySpec

MOST_PICTURES = 32
"""The most pictures of a value unless an option says otherwise."""
FEWEST_PICTURES = 4
"""The fewest that can be asked for."""


@click.command(cls=OurCommand)
@click.argument("study", type=click.Path(path_type=Path))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--finalist", type=click.IntRange(min=1), help="Number of a finalist.  [default: what is approved]")
@click.option(
    "--try",
    "tries",
    multiple=True,
    metavar="AXIS=VALUES",
    help='Values to try, such as "CFG Scale=4-9(+1)" or "Sampler=Euler a,DDIM"; in place of the study file\'s.',
)
@click.option("--hires/--no-hires", default=None, help="With a second pass, or without.  [default: as the study]")
@click.option("--size", is_flag=True, help="Also try other widths and heights.")
@click.option("--joint", is_flag=True, help="All settings at once, with Optuna, and not one after another.")
@click.option(
    "--pictures",
    type=click.IntRange(FEWEST_PICTURES, 10_000),
    default=MOST_PICTURES,
    show_default=True,
    help="The most pictures of a value.",
)
@trust_option
@plain_errors
def settings(
    study: Path,
    file: Path | None,
    finalist: int | None,
    tries: tuple[str, ...],
    hires: bool | None,
    size: bool,
    joint: bool,
    pictures: int,
    *,
    trust: bool,
) -> None:
    """Find the settings that suit a recipe: the cheapest that come up to the best.

    Of a STUDY, the recipe that is approved, else its first finalist; or the recipe file or merged checkpoint FILE.
    Sampler, VAE, hires upscaler, CFG scale, denoising strength, steps, hires steps, clip skip and hires upscale are
    tried in this order, at held-out prompts and seeds. What was rendered is kept: after a stop type the same again.
    """
    from studies.after_recipe.measuring.subject import subject_of
    from studies.after_recipe.settings.axes import asked_values

    spec = allowed(opened(study), trust=trust)
    asked = asked_values(spec.settings_to_try, tries, here=spec.storage.file.parent, hires=hires, size=size)
    subject = subject_of(spec, finalist=finalist, file=file)
    run_settings(spec, subject, asked, most=pictures, joint=joint)


def run_settings(spec: StudySpec, subject: Subject, asked: AskedValues, *, most: int, joint: bool) -> SettingsResult:
    """Search, print every step as it ends, write the card; returns the result."""
    from studies.after_recipe.measuring.opened import measuring
    from studies.after_recipe.settings.card import write_settings_card
    from studies.after_recipe.settings.plan import planned_settings
    from studies.after_recipe.settings.setup import set_up
    from studies.after_recipe.settings.shots import judged_shots

    out = console()
    judged = judged_shots(spec.shots, most)
    _tell_plan(planned_settings(spec, asked, subject=subject, most=most), spec, subject, joint=joint)
    click.echo(f"judged on {judged.text}")
    with measuring(spec, out, name="settings") as opened_study:
        calibrated = opened_study.drawn  # of a study that was never run, calibration has rendered pictures of its own
        setup = set_up(opened_study, subject, asked, judged)
        result = _searched(setup, out, joint=joint)
        write_settings_card(setup, result)
        _tell_end(setup, result, opened_study.drawn - calibrated, out)
    return result


def _tell_plan(plan: PlannedSettings, spec: StudySpec, subject: Subject, *, joint: bool) -> None:
    from engine.errors import counted
    from studies.after_recipe.settings.joint.joint_search import TRIALS, most_pictures
    from studies.after_recipe.settings.plan import picture_seconds_of, tried_texts
    from studies.amounts import time_text

    click.echo(f"settings of {subject.label}:")
    for line in tried_texts(plan):
        click.echo(f"  {line}")
    each = picture_seconds_of(spec)
    if joint:
        pictures = most_pictures(plan.first, plan.each)
        took = f"about {time_text(pictures * each)} where none is kept and all take the work of the study's own"
        click.echo(f"{counted(TRIALS, 'combination')}, at most {counted(pictures, 'picture')}; {took}")
    else:
        low, high = (time_text(work * each) for work in plan.work)
        click.echo(f"{plan}; about {low} to {high} where none is kept")


def _searched(setup: SettingsSetup, out: Console, *, joint: bool) -> SettingsResult:
    from studies.after_recipe.settings.joint.joint_search import JointSearch
    from studies.after_recipe.settings.search import SettingsSearch

    @contextmanager
    def progress(label: str, total: int) -> Generator[Report]:
        from studies.progress import meter

        with meter(label, total, out) as bar:
            yield lambda note, count: bar.advance(count, note=note)

    if joint:
        return JointSearch(setup=setup, progress=progress).run()
    return SettingsSearch(
        setup=setup,
        progress=progress,
        on_step=lambda step: _tell_step(step, out),
        on_look_back=lambda look: _tell_look_back(look, out),
    ).run()


def _tell_step(step: SettingsStep, out: Console) -> None:
    if len(step.tried) > 1:
        out.print(value_table(step.axis, step.values))
    for value in step.values:
        if value.state == "skipped":
            out.print(f"not tried: {step.axis} {value.label}: {value.reason}", highlight=False, markup=False)
    out.print(step.sentence, highlight=False, markup=False)


def _tell_look_back(look: LookBack, out: Console) -> None:
    if not look.holds:
        out.print(value_table(f"{look.step.axis}, with the later choices", look.step.values))
    out.print(f"looked back: {look.sentence}", highlight=False, markup=False)


def _tell_end(setup: SettingsSetup, result: SettingsResult, drawn: int, out: Console) -> None:
    from engine.errors import counted

    if result.joint:
        out.print(value_table("all settings", [value for value in result.joint if value.shortfall is not None]))
    click.echo(f"recommended for {result.subject}:")
    before = result.start.rows
    for name, text in result.final.rows.items():
        changed = f"  (before: {before.get(name, 'none')})" if before.get(name) != text else ""
        click.echo(f"  {name}: {text}{changed}")
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo(f"{counted(result.pictures, 'picture')}, {drawn:,} of them rendered now")
    folder = setup.folder.with_name(result.name)
    click.echo(f"wrote {folder}: card.md, card.json, card.txt for the WebUI, and a grid for each step")


def value_table(title: str, values: list[TriedValue] | tuple[TriedValue, ...]) -> Table:
    """Return a table of the values of one setting, the chosen one marked; it fits a terminal of 80 characters."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=0)
    tried = [value for value in values if value.state != "skipped"]
    timed = ["seconds"] if any(value.seconds is not None for value in tried) else []
    for name in ("", "value", "from the\nbest", "interval", "work", *timed, "pictures", "result"):
        is_text, breaks = name in {"", "value", "interval", "result"}, name in {"value", "result"}
        table.add_column(name, justify="left" if is_text else "right", no_wrap=not breaks, overflow="fold")
    for value in tried:
        found = value.against_best
        apart = ("", "") if found is None else (f"{found.mean:+.2f}", f"{found.low:+.2f} to {found.high:+.2f}")
        texts = [">" if value.chosen else "", value.label, *apart, f"{value.cost:.1f}"]
        texts += ["" if value.seconds is None else f"{value.seconds:.2f}"] if timed else []
        texts += [str(value.pictures), state_text(value)]
        table.add_row(*map(Text, texts), style="bold" if value.chosen else "")
    return table


def state_text(value: TriedValue) -> str:
    """Return what is known of a value, for people."""
    words = {"best": "best", "equal": "comes up to it", "worse": "worse", "broken": "broken", "open": "not told"}
    text = words.get(value.state, value.state)
    return f"{text}, {value.reason}" if value.reason else text
