"""SuperMerger's texts: what is set run by run, history rows and presets, and that they read back as the recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.exports.content import ExportContent
from engine.exports.registry import TARGETS, export, target_of
from engine.exports.target import ExportOptions, WrittenExport
from engine.merging.output import Output
from engine.recipes.presets import parse_presets, preset_weights
from engine.recipes.recipe import MergeStep, Recipe
from engine.supermerger.history import parse_history, recipe_of_row
from engine.supermerger.runs import joined_runs
from tests.engine.exports.recipes import NONLINEAR, RISING, RISING_XL, SD1, SDXL, drawn

OPTIONS = ExportOptions()
SUFFIX = TARGETS["supermerger"].suffix


def content_of(recipe: Recipe, title: str = "混ぜ: mine, 1") -> ExportContent:
    return ExportContent(
        recipe=recipe,
        title=title,
        names={name: f"{name}の 親.safetensors" for name in recipe.models},
        hashes={name: name.lower() * 64 for name in recipe.models},
    )


def written(content: ExportContent, folder: Path, options: ExportOptions = OPTIONS) -> tuple[WrittenExport, str]:
    done = export("supermerger", content, folder / f"混ぜ 1{SUFFIX}", options)
    return done, done.files[0].read_text("utf-8")


def test_no_model_must_be_at_hand() -> None:
    assert not TARGETS["supermerger"].needs_models


def test_every_run_is_told_with_dialect_models_and_hashes(tmp_path: Path) -> None:
    done, text = written(content_of(SD1["worked"]), tmp_path)
    assert done.arithmetic == "exact"
    for part in (
        "dialect classic (sd1)", "exact: step by step, rounded after every step, as it does itself",
        f"A = Aの 親.safetensors  sha256 {'a' * 64}", "commit c60e6f3",
        f"weights (BASE first): {','.join(map(str, RISING))}", "calculation mode: self", "OUT05 OUT08:attn1:0.88",
        "Adjust: 0,0,0,-1,7,1,1,0", "Model A: A, Aの 親.safetensors",
    ):  # fmt: skip
        assert part in text
    assert [path.name for path in done.files] == [
        f"混ぜ 1{SUFFIX}", "混ぜ 1.history.csv", "混ぜ 1.presets.txt"
    ]  # fmt: skip


@pytest.mark.parametrize("recipe", [*SD1.values(), *SDXL.values(), *NONLINEAR.values(), *drawn(30)])
def test_history_rows_and_presets_read_back_as_the_runs(recipe: Recipe, tmp_path: Path) -> None:
    done, _ = written(content_of(recipe), tmp_path)
    runs = [run.step for run in joined_runs(recipe)]
    on_files = [run for run in runs if {*run.models} <= {*recipe.models}]
    files = {path.name.split(".", 1)[1]: path.read_text("utf-8") for path in done.files}
    rows = parse_history(files["history.csv"]) if on_files else ()
    assert len(rows) == len(on_files)
    for row, run in zip(rows, on_files, strict=True):
        renamed = dict(zip(run.models, ("A", "B", "C"), strict=False))
        read = recipe_of_row(row, recipe.rules, recipe.family).recipe.runs[0]
        assert read == replace(
            run, models=tuple(renamed[name] if run.models[0] != name else "A" for name in run.models)
        )
    by_block = [ratio for run in runs for ratio in (run.alpha, run.beta) if isinstance(ratio, tuple)]
    assert ("presets.txt" in files) == bool(by_block)
    if by_block:
        presets = parse_presets(files["presets.txt"])
        assert [preset_weights(name, presets, recipe.family) for name in presets.rows] == by_block


def test_runs_without_known_hashes_have_no_row_and_a_note(tmp_path: Path) -> None:
    done, text = written(content_of(SD1["chain"]), tmp_path)
    assert len(parse_history(done.files[1].read_text("utf-8"))) == 2
    assert "no history row for run 3, 4" in text
    unknown = replace(content_of(SD1["one ratio"]), hashes={})
    done, text = written(unknown, tmp_path / "2")
    assert [path.name for path in done.files] == [f"混ぜ 1{SUFFIX}"]
    assert "sha256 " not in text


def test_names_of_presets_have_nothing_that_ends_them(tmp_path: Path) -> None:
    done, _ = written(content_of(SDXL["twenty"], "a: b,\tc\nd"), tmp_path)
    presets = parse_presets(done.files[2].read_text("utf-8"))
    assert dict(presets.rows) == {"a_ b_ c d": (RISING_XL,)}
    assert any("presets of 26 numbers alone" in note for note in done.notes)


def test_another_vae_is_noted_and_hashes_can_be_left_out(tmp_path: Path) -> None:
    options = ExportOptions(output=Output(vae=Path("my vae.safetensors")), with_recipe=False)
    done, text = written(content_of(SD1["blocks"]), tmp_path, options)
    assert any("my vae.safetensors" in note for note in done.notes)
    assert "sha256 " not in text
    assert [path.name for path in done.files] == [f"混ぜ 1{SUFFIX}", "混ぜ 1.presets.txt"]


def test_what_is_for_the_webuis_own_merger_is_refused(tmp_path: Path) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.4),), dialect="webui")
    (found,) = target_of("supermerger").refusals(content_of(recipe), OPTIONS)
    assert "dialect webui" in found.what
    with pytest.raises(RecipeError):
        target_of("supermerger").write(content_of(recipe), tmp_path / "x", OPTIONS)
