"""What every command of the command line does around its work: study files, errors as messages, a console."""

from __future__ import annotations

import io
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import wraps
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import click

from studies.preflight.name_clash import NameClashError, check_names
from studies.terminal import visible_output

if TYPE_CHECKING:
    from studies.studyfile.spec import StudySpec

P = ParamSpec("P")
R = TypeVar("R")

STOPPED = 130
"""Exit status after Ctrl+C or a termination signal, as shells have it."""
STOPPED_WORDS = "stopped; what was finished is kept: run the same command again to go on"
"""What is said after Ctrl+C."""
_NUMBERS = re.compile(r"-\.?\d[^,]*,")
"""How a row of weights begins whose first number is negative."""
_NO_TEXT = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes on the command line that its encoding does not know."""

study_argument = click.argument("study", type=click.Path(path_type=Path))


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines as they are typed, after ``recipe-search``."""
    return "\b\nSuch as:\n" + "\n".join(f"  recipe-search {line}" for line in lines)


class OurCommand(click.Command):
    """A command that takes weights and files whose texts begin with a minus, and says how where it cannot know."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; see `click.Command.parse_args`."""
        end = args.index("--") if "--" in args else len(args)
        known = {name for parameter in self.get_params(ctx) for name in (*parameter.opts, *parameter.secondary_opts)}
        ours = [text if text in known else _argument(text) for text in args[:end]]
        _refuse_empty_paths(self, ctx, args[:end])
        try:
            rest = super().parse_args(ctx, ours + args[end:])
        except click.NoSuchOption as error:
            meant = next((text for text in args if text.startswith(error.option_name)), error.option_name)
            if meant.startswith("--"):
                raise
            what = (
                f"There is no option {meant}. A file of that name goes after two minus: {ctx.command_path} -- {meant}"
            )
            raise click.UsageError(what, ctx) from error
        for parameter in self.get_params(ctx):
            _refuse_no_text(ctx, parameter)
        return rest


def _refuse_empty_paths(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Refuse ``--out ""``, such as of a shell's variable that is not set: it would be the folder one is in."""
    for parameter in command.get_params(ctx):
        if isinstance(parameter.type, click.Path):
            for before, text in pairwise(["", *args]):
                if (text == "" and before in parameter.opts) or (text.endswith("=") and text[:-1] in parameter.opts):
                    raise click.BadParameter("it is empty; name a file or a folder", ctx, parameter)


def _refuse_no_text(ctx: click.Context, parameter: click.Parameter) -> None:
    """Refuse options that are no text."""
    value = ctx.params.get(parameter.name or "")
    for one in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
        if isinstance(parameter, click.Option) and isinstance(one, str) and _NO_TEXT.search(one):
            raise click.BadParameter(f"{one!r} holds bytes that are no text", ctx, parameter)


def _argument(text: str) -> str:
    """What click does not take for options: numbers after a space, and a file as one in this folder."""
    if _NUMBERS.match(text):
        return f" {text}"
    return f"./{text}" if len(text) > 1 and text.startswith("-") and Path(text).exists() else text


class OurGroup(click.Group):
    """A group of such commands."""

    command_class = OurCommand
    group_class = type  # its groups are of the same kind


class OutermostGroup(OurGroup):
    """The whole command line, whose output is text alone, the messages of click among it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl+C before it is at work, or while it asks something, is one sentence."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            ignore_ctrl_c()
            click.echo(f"\n{STOPPED_WORDS}", err=True)
            raise click.exceptions.Exit(STOPPED) from None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; what cannot be written, such as help to a full disk, is one sentence."""
        if sys.stdin is None:  # closed by a shell: who asks here gets no answer, as at the end of a file
            sys.stdin = io.StringIO()
        with visible_output():
            try:
                return super().main(*args, **kwargs)
            except OSError as error:
                from studies.errors import disk_problem

                if (problem := disk_problem(error)) is None:
                    raise
                click.echo(f"Error: {problem}", err=True)
                sys.exit(1)


def opened(study: Path) -> StudySpec:
    """Read a study file; a folder stands for the ``study.toml`` in it. What killed commands left is deleted.

    No program that it names may run: commands that judge ask for that first (``studies.cli.nights.trust``).
    """
    from engine.files import file_kind
    from studies.store.left_behind import clear_up
    from studies.studyfile.read import read_study_file

    spec = read_study_file(study / "study.toml" if file_kind(study) == "folder" else study)
    clear_up(spec.storage.folder)
    return replace(spec, scoring=replace(spec.scoring, trusted=frozenset()))


@contextmanager
def first_ctrl_c() -> Generator[None]:
    """Let Ctrl+C interrupt once: a second one must not break into the end.

    What a library makes of it that is being imported, such as a RecursionError, is the interrupt still; our own errors
    and those of files stay what they are.
    """
    from engine.errors import ProblemError

    pressed = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if not pressed:
            pressed = True
            raise KeyboardInterrupt

    is_ours = threading.current_thread() is threading.main_thread()  # nobody else is sent signals
    before = signal.getsignal(signal.SIGINT)
    if is_ours and before is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except (click.exceptions.Exit, click.Abort, click.ClickException, ProblemError, OSError):
        raise
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        if not pressed and is_ours:
            signal.signal(signal.SIGINT, before)


def ignore_ctrl_c() -> None:
    """Let no further Ctrl+C break into the end."""
    with suppress(ValueError):  # outside the main thread nobody sends us signals
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python gives up its own handlers when it ends


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Show the project's own errors and a stop by the user as plain messages, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            check_names()
        except NameClashError as error:
            raise click.ClickException(str(error)) from error
        from engine.errors import ProblemError  # ours for sure
        from studies.errors import disk_problem

        try:
            with first_ctrl_c():
                return command(*args, **kwargs)
        except ProblemError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if (problem := disk_problem(error)) is None:
                raise
            raise click.ClickException(str(problem)) from error
        except KeyboardInterrupt:
            ignore_ctrl_c()
            click.echo(f"\n{STOPPED_WORDS}", err=True)
            raise click.exceptions.Exit(STOPPED) from None

    return run
