"""A model file that was swapped for one of the same size and time is noticed before approval and before export."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.recipes.recipe import Recipe
from studies.cli.main import main


def called(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def swap(path: Path) -> None:
    """Change the last byte, as a tool that copies files with their times could."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_it_is_not_approved(copied: Path) -> None:
    swap(copied.parent / "lamplight.safetensors")
    refused = called("approve", copied, "--note", "x")
    assert refused.exit_code == 1
    assert (
        f"Error: {copied.parent / 'lamplight.safetensors'}: is not the file that the study began with; put it"
        in refused.output
    )
    assert not (copied.parent / "runs/small/pins").exists()


def test_it_is_not_exported(copied: Path) -> None:
    assert called("approve", copied, "--note", "x").exit_code == 0
    swap(copied.parent / "lamplight.safetensors")
    refused = called("export", copied)
    assert refused.exit_code == 1
    assert "these files are not the ones that the recipe was approved with (SHA-256 differs):" in refused.output
    assert f"B: {copied.parent / 'lamplight.safetensors'}" in refused.output
    assert not list((copied.parent / "runs/small").glob("exports/*"))


def test_an_export_never_replaces_the_study_or_the_recipe_file(copied: Path, tmp_path: Path) -> None:
    assert called("approve", copied, "--note", "x").exit_code == 0
    recipe = tmp_path / "mix.toml"
    recipe.write_text(Recipe.flat(0.4).text, encoding="utf-8")
    for words in (("export", copied), ("recipe", "export", recipe)):
        before = words[-1].read_bytes()
        refused = called(*words, "--to", "supermerger", "--out", words[-1], "--overwrite")
        assert refused.exit_code == 1
        assert "is the file that is exported, which is never replaced" in refused.output
        assert words[-1].read_bytes() == before


def test_a_model_that_is_elsewhere_now_keeps_nobody_from_approving(copied: Path) -> None:
    """Export looks at it: the pin says which file it is."""
    (copied.parent / "lamplight.safetensors").rename(copied.parent / "moved.safetensors")
    approved = called("approve", copied, "--note", "x")
    assert approved.exit_code == 0, approved.output
    assert "lamplight.safetensors: cannot be read" in called("export", copied).output
    copied.write_text(copied.read_text().replace("lamplight.safetensors", "moved.safetensors"))
    assert called("export", copied).exit_code == 0


@pytest.mark.parametrize("note", ["", "  ", "\n"])
def test_an_approval_has_a_reason(copied: Path, note: str) -> None:
    refused = called("approve", copied, "--note", note)
    assert refused.exit_code == 2
    assert "Invalid value for '--note': it is empty; say in a few words why this one" in refused.output
    assert not (copied.parent / "runs/small/pins").exists()
