"""Numbers on the command line are finite: every option of every command refuses NaN and infinity, with its range."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.cli.numbers import FiniteNumber, SettingNumber


def options(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Option]]:
    """Every option of a command and those below it that takes a number with a fraction."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from options(below, *names, name)
    for option in command.params:
        if isinstance(option, click.Option) and isinstance(option.type, click.types.FloatParamType | click.FloatRange):
            yield names, option


NUMBERS = [pytest.param(*one, id=f"{' '.join(one[0])} {one[1].name}") for one in options(main)]


def test_many_commands_have_such_options() -> None:
    assert {names for names, _ in options(main)} >= {("probe",), ("render",), ("plot",), ("run",), ("check",)}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(("names", "option"), NUMBERS)
def test_no_option_takes_a_number_that_is_not_finite(names: tuple[str, ...], option: click.Option, value: str) -> None:
    done = CliRunner().invoke(main, [*names, f"{option.opts[0]}={value}", "x", "y"])
    assert done.exit_code == 2
    assert f"Invalid value for '{option.opts[0]}': {value} is not a finite number" in done.output


def test_the_range_is_named() -> None:
    done = CliRunner().invoke(main, ["probe", "study.toml", "--precision", "nan"])
    assert "nan is not a finite number; the range is x>0." in done.output
    done = CliRunner().invoke(main, ["render", "a.safetensors", "o.png", "--cfg", "inf"])
    assert "inf is not a finite number; the range is 1.0<=x<=30.0." in done.output


def test_a_setting_outside_of_its_range_is_left_to_the_settings() -> None:
    assert SettingNumber((1.0, 30.0)).convert("99", None, None) == 99
    with pytest.raises(click.BadParameter, match=r"99\.0 is not in the range x<=30"):
        FiniteNumber(max=30).convert("99", None, None)
    assert FiniteNumber().convert("-3.5", None, None) == -3.5
