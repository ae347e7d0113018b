"""Options of an export that make no difference to the form are refused, each with the forms that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.review.exporting.export_targets import EXPORT_FORMS

FORMS = "checkpoint, diffusers, script"


@pytest.mark.parametrize("command", ["export", "recipe export"])
def test_every_idle_option_is_refused_at_once(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, [*command.split(), str(tmp_path / "x.toml"), "--to", "mecha", "--prune", "--rank", "3"]
    )
    assert done.exit_code == 2
    assert f"--prune is for --to {FORMS}: no other form has a place for it" in done.output
    assert "--rank is for --to lora:" in done.output


def test_an_option_left_at_its_default_is_never_idle(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["recipe", "export", str(tmp_path / "x.toml"), "--to", "supermerger"])
    assert "no other form" not in done.output


def test_every_option_that_a_form_takes_exists() -> None:
    known = {parameter.opts[0] for parameter in main.commands["export"].params}
    assert {f"--{option}" for form in EXPORT_FORMS.values() for option in form.takes} <= known
