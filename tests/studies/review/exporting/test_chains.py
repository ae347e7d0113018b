"""Three stages of three parents, through the commands: one recipe, one export, the same bits."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.recipes.blocks import Site
from engine.recipes.file import read_recipe_file
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from studies.review.exporting.chains import chain_lines, chain_of_pin
from studies.review.show import chain_of_pin_lines
from studies.store.judged.pins import read_pins
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import Merge
from tests.studies.chain_studies import approved, begun, typed

WEIGHTS = (0.0, *(round(0.03 * n, 2) for n in range(25)))
ALPHA = Recipe(steps=(MergeStep(alpha=WEIGHTS),))
BETA = Recipe(steps=(SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88),)),))
FINAL = Recipe(steps=(MergeStep(alpha=WEIGHTS[::-1]), AdjustStep(values=(0, 0, 0, 7, 0, 1, 1, 1))))
WHOLE = Recipe(
    steps=(
        MergeStep(alpha=WEIGHTS, name="alpha"),
        SelfStep(factors=BETA.steps[0].factors, name="beta"),  # pyright: ignore[reportAttributeAccessIssue]
        MergeStep(models=("beta", "C"), alpha=WEIGHTS[::-1]),
        FINAL.steps[1],
    )
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three studies, each begun with what the one before made; leave it as it is."""
    folder = tmp_path_factory.mktemp("chain")
    approved(begun(folder), ALPHA)
    second, third = folder / "second.toml", folder / "third.toml"
    for words, recipe in (
        ((second, "--from", folder / "study.toml", "-a", folder / "alpha.safetensors"), BETA),
        ((third, "--from", second, "-a", folder / "beta.safetensors", "-b", "third.safetensors"), FINAL),
    ):
        done = typed("init", *words)
        assert done.exit_code == 0, done.output
        approved(Path(str(words[0])), recipe)
    (folder / "alpha.safetensors").unlink()
    done = typed("export", third, "--out", folder / "final.safetensors")
    assert done.exit_code == 0, done.output
    assert f"{folder / 'final.chain.toml'}  (all stages in one recipe)" in done.output
    return folder


def autov3(output: str) -> str:
    return re.findall(r"AutoV3 (\w+)", output)[-1]


def test_the_recipe_file_beside_the_export_has_all_stages(made: Path) -> None:
    found = read_recipe_file(made / "final.chain.toml")
    assert found.recipe == WHOLE
    names = ("closeups.safetensors", "lamplight.safetensors", "third.safetensors")
    assert found.models == {letter: made / name for letter, name in zip("ABC", names, strict=True)}
    text = (made / "final.chain.toml").read_text()
    assert "# alpha: step 1, alpha.safetensors  sha256 " in text
    assert "# model C: third.safetensors  sha256 " in text


def test_all_stages_at_once_are_the_same_bits(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    folder = tmp_path / "copy"
    by_stages = typed("export", folder / "third.toml", "--out", folder / "again.safetensors")
    at_once = typed("export", folder / "third.toml", "--chain", "--out", folder / "once.safetensors")
    assert at_once.exit_code == 0, at_once.output
    assert autov3(at_once.output) == autov3(by_stages.output)
    of_file = typed("merge", folder / "final.chain.toml", folder / "file.safetensors")
    assert autov3(of_file.output) == autov3(at_once.output)
    folded = typed("export", folder / "third.toml", "--chain", "--folded", "--out", folder / "folded.safetensors")
    assert autov3(folded.output) != autov3(at_once.output)


def test_verify_compares_an_export_with_its_whole_chain(made: Path) -> None:
    done = typed("verify", made / "final.safetensors", "--recipe", made / "final.chain.toml")
    assert done.exit_code == 0, done.output
    assert "the recipe is the whole chain of the file, whose own recipe is its last stage" in done.output
    assert "another recipe" not in done.output


def test_show_says_the_stages_and_the_first_parents(made: Path) -> None:
    done = typed("recipe", "show", made / "final.safetensors", "--chain")
    assert done.exit_code == 0, done.output
    for said in (
        "step 1, alpha:",
        "step 2, beta:",
        "step 3: Weight sum, normal, of beta, C",
        "model C: third.",
    ):
        assert said in done.output, said
    assert "note: beta (step 2) was saved as beta.safetensors, SHA-256 " in done.output
    last = typed("recipe", "show", made / "final.safetensors")
    assert "this is the last stage of a chain; --chain reads all stages as one recipe" in last.output
    first = typed("recipe", "show", made / "closeups.safetensors", "--chain")
    assert first.exit_code == 1


@pytest.mark.parametrize(("form", "can"), [("supermerger", True), ("script", True), ("mecha", True), ("meh", False)])
def test_other_forms_take_the_chain_or_say_why_not(made: Path, tmp_path: Path, form: str, *, can: bool) -> None:
    out = tmp_path / f"final.{form}.py"
    done = typed("export", made / "third.toml", "--chain", "--to", form, "--out", out)
    assert (done.exit_code == 0) == can, done.output
    if can:
        assert "third.safetensors" in out.read_text()
    else:
        assert "meh has no Adjust" in done.output
    if form == "supermerger":
        assert re.findall(r"Run \d, which makes (\w+)", out.read_text()) == ["alpha", "beta"]


def test_a_first_parent_that_is_gone_is_an_error_with_the_way_out(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    folder = tmp_path / "copy"
    for name in ("alpha.chain.toml", "beta.chain.toml"):
        (folder / name).unlink()
    moved = (folder / "closeups.safetensors").rename(tmp_path / "elsewhere.safetensors")
    done = typed("export", folder / "third.toml", "--chain")
    assert done.exit_code == 1
    assert "the first parent A, closeups.safetensors (SHA-256 " in done.output
    assert "--chain --model A=PATH" in done.output
    words = ("--chain", "--to", "supermerger", "--out", tmp_path / "text.txt")
    assert typed("export", folder / "third.toml", *words).exit_code == 0, "a text needs no files"
    others = (f"B={folder / 'lamplight.safetensors'}", f"C={folder / 'third.safetensors'}")
    models = [word for one in (f"A={moved}", *others) for word in ("--model", one)]
    words = ("--chain", *models, "--out", tmp_path / "once.safetensors")
    done = typed("recipe", "export", made / "final.safetensors", *words)
    assert done.exit_code == 0, done.output


def test_a_parent_with_another_content_is_not_taken(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    folder = tmp_path / "copy"
    for name in ("alpha.chain.toml", "beta.chain.toml"):
        (folder / name).unlink()
    shutil.copyfile(folder / "third.safetensors", folder / "closeups.safetensors")
    done = typed("export", folder / "third.toml", "--chain")
    assert done.exit_code == 1
    assert "the first parent A, closeups.safetensors" in done.output


def test_a_changed_stage_is_refused_as_any_model(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    beta = tmp_path / "copy" / "beta.safetensors"
    save_file(load_file(beta), beta, metadata={"format": "pt"})
    for words in ((), ("--chain",)):
        done = typed("export", tmp_path / "copy" / "third.toml", *words)
        assert done.exit_code == 1
        assert "these files are not the ones that the recipe was approved with" in done.output


def test_a_study_of_first_parents_has_no_chain(made: Path) -> None:
    done = typed("export", made / "study.toml", "--chain")
    assert done.exit_code == 1
    assert "there is no chain: the models of this recipe are its first parents" in done.output
    done = typed("export", made / "third.toml", "--chain", "--to", "card")
    assert done.exit_code == 2
    assert "a card is of the pin and its own models" in done.output


def test_an_export_without_its_recipe_has_no_file_of_the_chain(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "plain.safetensors"
    (tmp_path / "plain.chain.toml").write_text("old")
    assert "plain.chain.toml: already exists" in typed("export", made / "third.toml", "--out", out).output
    done = typed("export", made / "third.toml", "--out", out, "--no-recipe", "--overwrite")
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["plain.safetensors"]


def test_show_says_the_chain_of_pins_and_when_it_is_not_known(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    spec = read_study_file(tmp_path / "copy" / "third.toml")
    (pin,) = read_pins(spec.storage.folder)
    lines = [*chain_lines(chain_of_pin(spec.merge, pin))]
    assert lines[0] == "chain: alpha (1 step), then beta (1 step), then this recipe (2 steps)"
    assert lines[1].startswith("first parents: A closeups.safetensors (")
    assert [*chain_of_pin_lines(spec.merge, pin)] == [f"  {line}" for line in lines]
    (tmp_path / "copy" / "beta.safetensors").unlink()
    (line,) = chain_of_pin_lines(spec.merge, pin)
    assert line.startswith("  whether it ends a chain is not known: ")
    (line,) = chain_of_pin_lines(Merge(models={"A": spec.merge.models["A"]}), pin)
    assert "the study file has no model B any more, and pin 1 takes it" in line
