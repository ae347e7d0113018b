"""`recipe-search init`: a new study file, from options, or from answers where nothing is given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.modes.registry import MERGE_MODES
from studies.cli.command import STOPPED, OurCommand, examples, ignore_ctrl_c, plain_errors
from studies.cli.init_next import next_stage

if TYPE_CHECKING:
    from studies.new_study.answers import Answer
    from studies.new_study.draft import StudyDraft

MOST_ANSWERS = 20
"""The most answers to one question that are wrong: a program may be typing."""
_MAY_BE_EMPTY = ("like", "unlike")


@click.command(
    cls=OurCommand,
    epilog=examples(
        "init",
        "init study.toml -a a.safetensors -b b.safetensors --references my-look",
        "init next.toml --from study.toml -a alpha.safetensors -b c.safetensors",
    ),
)
@click.argument("study", required=False)
@click.option("-a", "--model-a", help="Checkpoint A.  [default: models/a.safetensors]")
@click.option("-b", "--model-b", help="Checkpoint B.  [default: models/b.safetensors]")
@click.option("-c", "--model-c", help="Checkpoint C, for the modes that take three.")
@click.option(
    "--mode", type=click.Choice(list(MERGE_MODES)), help="Merge mode; default: Weight sum, with a third Add difference."
)
@click.option("--references", help="Folder of pictures of the target look.  [default: references]")
@click.option("--like", help="The look in words.")
@click.option("--unlike", help="What it should not look like, in words; goes with --like.")
@click.option("--prompts", help="Text file with your prompts, one a line.  [default: 40 of ours]")
@click.option(
    "--from",
    "picture",
    help="A picture that a WebUI saved: take its prompt, seed and settings. Or a study file, its folder or a pin: the "
    "next stage, whose A is what the pin makes.",
)
@click.option("--pin", type=int, help="Of a study in --from: number of the pin.  [default: the newest]")
@click.option("--encoder", help="Encoder for style and prompts; see `recipe-search scorers list`.  [default: clip-l]")
@click.option("--name", help="Name of the study.  [default: my-mix]")
@plain_errors
def init(pin: int | None, **given: str | None) -> None:
    """Write a commented study file for your own checkpoints, for SDXL where these are of that family.

    STUDY is the new file, study.toml unless you name another. Without any argument the command asks, one thing at a
    time. With --from and a study, -a names the checkpoint that its pin makes, which is written unless it is there, and
    -b the next parent; without -b, Self and Adjust alone are searched.
    """
    if next_stage(given, pin):
        return
    from studies.new_study.draft import StudyDraft, command_line, write_draft

    options = {name: value for name, value in given.items() if value is not None}
    if empty := [name for name, text in options.items() if not text.strip() and name not in _MAY_BE_EMPTY]:
        raise click.BadParameter("it is empty", param=_parameter(empty[0]))
    if options:
        draft, typed = StudyDraft(**options), ""
        _refuse_two_models(draft)
    elif _is_terminal():
        draft = _asked()
        typed = command_line(draft)
    else:
        raise click.UsageError(
            "nothing is given, and there is no terminal to ask in: name the new file, such as\n"
            "  recipe-search init study.toml -a a.safetensors -b b.safetensors --references my-look/"
        )
    for line in write_draft(draft):
        click.echo(line)
    click.echo(f"wrote {draft.study}; edit it, then: recipe-search check {draft.study}")
    if typed:
        click.echo(f"the same without questions:\n  {typed}")


def _parameter(name: str) -> click.Parameter | None:
    return next((one for one in init.params if one.name == name), None)


def _refuse_two_models(draft: StudyDraft) -> None:
    mode = draft.mode
    if mode and not draft.model_c and MERGE_MODES[mode].models == 3:
        raise click.UsageError(f"{mode} takes three models: name the third with -c, such as -c models/c.safetensors")


def _is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _asked() -> StudyDraft:
    """Ask for everything; nothing is written before the last answer."""
    click.echo("A new study. Enter takes what stands in brackets; Ctrl+C ends, and nothing is written.")
    try:
        return _answers()
    except (click.Abort, KeyboardInterrupt):
        ignore_ctrl_c()
        click.echo("\nstopped; nothing was written", err=True)
        raise click.exceptions.Exit(STOPPED) from None


def _answers() -> StudyDraft:
    from studies.new_study import answers
    from studies.new_study.draft import StudyDraft

    found: dict[str, Any] = {"study": _ask("the new study file", answers.study_answer, default="study.toml")}
    study = Path(found["study"])
    if study.parent != Path():
        click.echo(f"paths start from {study.parent}, where the file will be, or from here")
    a = found["model_a"] = _ask("checkpoint A", lambda text: answers.model_answer(text, study))
    b = found["model_b"] = _ask("checkpoint B, of the same family", lambda text: answers.model_answer(text, study, a))
    found["model_c"] = _ask(
        "checkpoint C, for modes that take three models",
        lambda text: answers.model_answer(text, study, a, b),
        none=True,
    )
    if found["model_c"]:
        three = [name for name, mode in MERGE_MODES.items() if mode.models == 3]
        click.echo(f"modes for three models: {', '.join(three)}")
        found["mode"] = _ask("merge mode", lambda text: _known_mode(text, three), default="Add difference")
    found["references"] = _ask(
        "folder with 8 to 40 pictures of the target look", lambda text: answers.references_answer(text, study)
    )
    few = answers.needs_words(found["references"], study)
    found["like"] = _ask(f"the look in words{', which so few pictures need' * few}", _any, none=not few)
    if found["like"]:
        found["unlike"] = _ask("what it should not look like, in words", _any, none=True)
    found["picture"] = _ask("a picture to take prompt and settings from", answers.picture_answer, none=True)
    found["prompts"] = _ask("a text file with your prompts, one a line", answers.prompts_answer, none=True)
    found["name"] = _ask("name of the study", answers.name_answer, default="my-mix")
    return StudyDraft(**found)


def _any(text: str) -> Answer:
    from studies.new_study.answers import Answer

    return Answer(kept=text)


def _known_mode(text: str, known: list[str]) -> Answer:
    from engine.errors import did_you_mean
    from studies.errors import StudyError
    from studies.new_study.answers import Answer

    by_fold = {name.casefold(): name for name in known}
    if text.casefold() not in by_fold:
        raise StudyError("is no merge mode for three models", seen=text, remedy=did_you_mean(text, known))
    return Answer(kept=by_fold[text.casefold()])


def _ask(question: str, check: Callable[[str], Answer], *, default: str = "", none: bool = False) -> str:
    """Ask until an answer is right; with `none`, Enter alone answers nothing."""
    from engine.errors import ProblemError
    from studies.new_study.answers import plain

    for _ in range(MOST_ANSWERS):
        shown = "" if none else default or None
        text = plain(str(click.prompt(f"{question}{' [none]' * none}", default=shown, show_default=not none)))
        if none and not text:
            return ""
        try:
            answer = check(text)
        except ProblemError as error:
            click.echo(f"  {error}")
            continue
        for remark in answer.remarks:
            click.echo(f"  {remark}")
        return answer.kept
    raise click.ClickException(f"{MOST_ANSWERS} answers in a row were wrong; nothing was written")
