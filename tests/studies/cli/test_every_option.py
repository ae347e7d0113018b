"""Every option of every command, found in the tree of commands: a value that it cannot take is a clean error."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner, Result

from studies.cli.command import OurCommand
from studies.cli.main import main

NO_TEXT = "\udcff"
"""What Python makes of a byte on the command line that is no text."""


class Case(NamedTuple):
    command: tuple[str, ...]
    option: click.Option
    value: str

    def __str__(self) -> str:
        return f"{' '.join(self.command)} {self.option.opts[-1]} {self.value!r}"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def options() -> Iterator[tuple[tuple[str, ...], click.Option]]:
    for path, command in commands(main):
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag:
                yield path, parameter


def unusable(kind: click.ParamType) -> tuple[str, ...]:
    """Values that an option of a kind never takes."""
    if isinstance(kind, click.Path):
        return ("",)
    if isinstance(kind, click.types.StringParamType):
        return (NO_TEXT,)
    if isinstance(kind, click.types.FloatParamType):
        return "nonsense", "", "nan"
    return "nonsense", ""


def ran(*words: object) -> Result:
    """Run a command; its crash is the test's."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def needed(path: tuple[str, ...], but: click.Option) -> Iterator[str]:
    """The arguments that a command cannot do without, and the options but one."""
    for parameter in dict(commands(main))[path].params:
        if isinstance(parameter, click.Argument):
            yield from ["x"] * max(parameter.nargs, 1)
        elif parameter.required and parameter is not but:
            yield from (parameter.opts[-1], "x")


def shown(command: click.Command) -> list[str]:
    """The examples in a command's help."""
    return [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  recipe-search ")]


CASES = [Case(path, option, value) for path, option in options() for value in unusable(option.type)]


def test_every_command_reads_its_arguments_as_ours_do() -> None:
    assert not [path for path, command in commands(main) if not isinstance(command, OurCommand)]


def test_every_option_says_what_it_is() -> None:
    assert not [
        f"{' '.join(path)} {one.opts}"
        for path, command in commands(main)
        for one in command.params
        if isinstance(one, click.Option) and not one.help
    ]


def test_examples_are_commands_that_there_are() -> None:
    known = dict(commands(main))
    told = 0
    for path, command in known.items():
        for line in shown(command):
            words = tuple(shlex.split(line))[1:]
            assert words[: len(path)] == path, line
            command.make_context(path[-1], [*words[len(path) :]])
            told += 1
    assert told > 10


@pytest.mark.parametrize("path", sorted({case.command for case in CASES}), ids=" ".join)
def test_a_value_that_an_option_cannot_take_is_refused_at_once(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for case in (case for case in CASES if case.command == path):
        option = case.option.opts[-1]
        ways = [(option, *[case.value] * case.option.nargs)]
        ways += [(f"{option}={case.value}",)] if option.startswith("--") and case.option.nargs == 1 else []
        for words in ways:
            done = ran(*path, *needed(path, case.option), *words)
            assert done.exit_code == 2, f"{case}: {done.output}"
            assert "Error: Invalid value for" in done.output, f"{case}: {done.output}"
            assert f"'{option}'" in done.output, f"{case}: {done.output}"
    assert [file.name for file in tmp_path.iterdir()] == ["models"]
