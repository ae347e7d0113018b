"""`recipe-search recipe convert`, by way of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.recipes.file import RecipeFile, read_recipe_file
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep, SelfStep
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.studies.cli.recipe_command import ROW, SAVED, SITES, checkpoint, run, write_chain


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.inputs.hashes.user_memory", lambda: tmp_path / "hashes.json")


@pytest.fixture
def chain() -> Path:
    return write_chain()


def test_a_weights_text_becomes_a_recipe_file_and_comes_back() -> None:
    run("convert", ROW, "mine.toml", "--from", "weights", "-m", "A=a.safetensors", "-m", "B=b.safetensors")
    content = read_recipe_file("mine.toml")
    assert content.recipe == Recipe(steps=(MergeStep(alpha=(0.0, *(0.35,) * 24, 0.25)),))
    assert content.models["A"].name == "a.safetensors"
    assert run("convert", "mine.toml", "-", "--to", "weights").output == f"{ROW}\n"


@pytest.mark.parametrize(
    ("kind", "text", "more"),
    [
        ("weights", ROW, ()),
        ("elemental", "OUT05 OUT08:attn1:0.88,NOT BASE::0.5", ("--alpha", "0.1")),
        ("adjust", "0,0,0,-1,1,1,1,0", ()),
        ("preset", f"MINE\t{ROW}", ("--name", "MINE")),
    ],
)
def test_single_texts_come_back_as_they_went(kind: str, text: str, more: tuple[str, ...]) -> None:
    Path("text.txt").write_text(f"{text}\n")
    settings = more if kind != "preset" else ()
    toml = run("convert", "text.txt", "-", "--from", kind, *settings).output
    names = more if kind == "preset" else ()
    assert run("convert", "-", "-", "--from", "toml", "--to", kind, *names, text=toml).output == f"{text}\n"


def test_the_articles_self_run_from_its_text() -> None:
    toml = run(
        "convert", "OUT05 OUT08:attn1:0.88", "-", "--from", "elemental", "--calculation", "self", "--alpha", "1",
        "--adjust", "0,0,0,-1,1,1,1", "--read-as", "2023",
    ).output  # fmt: skip
    recipe = run("convert", "-", "-", "--from", "toml", "--to", "instructions", text=toml).output
    assert "dialect 2023" in recipe
    assert "calculation mode: self" in recipe
    assert "Adjust: 0,0,0,-1,1,1,1\n" in recipe


def test_a_preset_by_name_out_of_many() -> None:
    Path("presets.txt").write_text(f"preset_name\tpreset_weights\nONE\t{ROW}\nTWO\t{'1,' * 25}1\n")
    message = run("convert", "presets.txt", "-", "--from", "preset", status=1).output
    assert "has 2 presets; choose one with --preset: ONE, TWO" in message
    assert "0.35" in run("convert", "presets.txt", "-", "--from", "preset", "--preset", "ONE").output
    own = run("convert", "TWO", "-", "--from", "weights", "--presets", "presets.txt", "--to", "weights")
    assert own.output == f"{'1,' * 25}1\n"


def test_the_history_goes_out_and_in() -> None:
    for name in ("a", "b"):
        checkpoint(f"{name}.safetensors", {"format": name})
    run("convert", ROW, "one.toml", "--from", "weights", "-m", "A=a.safetensors", "-m", "B=b.safetensors")
    run("convert", "one.toml", "mergehistory.csv", "--name", "mine")
    assert Path("mergehistory.csv").read_text().splitlines()[1].startswith("1,")
    assert run("diff", "one.toml", "mergehistory.csv").output == ""
    assert run("diff", "one.toml", "mergehistory.csv", "--second-id", "-1").output == ""
    assert "there is no row 7; there are IDs 1 to 1" in run("show", "mergehistory.csv", "--id", "7", status=1).output


def test_metadata_goes_out_under_our_own_name_unless_asked() -> None:
    for name in ("a", "b"):
        checkpoint(f"{name}.safetensors", {"format": name})
    run("convert", ROW, "one.toml", "--from", "weights", "-m", "A=a.safetensors", "-m", "B=b.safetensors")
    ours, theirs = (
        json.loads(run("convert", "one.toml", "-", "--to", "metadata", *more).output)
        for more in ((), ("--as-supermerger",))
    )
    assert json.loads(ours["sd_merge_recipe"])["type"] == "sd-recipe-search"
    assert json.loads(theirs["sd_merge_recipe"])["type"] == "sd-webui-supermerger"
    Path("theirs.json").write_text(json.dumps(theirs))
    assert run("diff", "one.toml", "theirs.json").output == ""


def test_a_dialect_is_translated_or_refused_with_a_list(chain: Path) -> None:
    run("convert", chain, "old.toml", "--dialect", "2023")
    old = read_recipe_file("old.toml")
    assert old.recipe.dialect == "2023"
    assert old.models["A"].name == "first.safetensors"
    step = SelfStep(factors=SITES)
    write_recipe_file(
        "self.toml", RecipeFile(recipe=Recipe(steps=(step,), dialect="2023"), models={"A": Path("a.safetensors")})
    )
    refused = run("convert", "self.toml", "new.toml", "--dialect", "classic", status=1).output
    assert "step 1: times 0.88 in 2023, as in A in classic" in refused
    assert not Path("new.toml").exists()
    run("convert", "self.toml", "new.toml", "--dialect", "classic", "--accept-differences")
    assert read_recipe_file("new.toml").recipe.steps == (step,)


def test_guessed_paths_are_named(chain: Path) -> None:
    path = checkpoint("merged.safetensors", SAVED["saved_metadata"])
    told = run("convert", path, "found.toml").output
    assert "the path of A (sd15_A_fp32 sha256 f9e3d4" in told
    assert read_recipe_file("found.toml").models["A"].name == "sd15_A_fp32.safetensors"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("chain.toml", "out.xyz"), "its format is not known; name it with --to"),
        (("chain.toml", "chain.toml"), "already exists"),
        (("chain.toml", "-", "--to", "history"), "choose one with --run"),
        (("chain.toml", "-", "--to", "elemental", "--run", "7"), "--run 7: there is no such run; the recipe takes"),
        (("chain.toml", "-", "--to", "weights", "--run", "2"), "one ratio for all blocks"),
        (("chain.toml", "-", "-m", "Z=z"), "the recipe takes A, B; write NAME=PATH"),
        (("chain.toml", "-", "-m", "A=~no-such-user/a"), "~no-such-user/a: there is no such home folder"),
        (("0,1,2", "-", "--from", "weights"), "the weights are 3 numbers"),
        (("no rules here", "-", "--from", "elemental"), "it has no elemental rule"),
        (("0,0,0", "-", "--from", "adjust"), "changes nothing"),
        (("OUT05:attn1:R", "-", "--from", "elemental"), "needs a seed"),
        (("nothing here", "-", "--from", "preset"), "has no tab or colon"),
        (("chain.toml", "out.toml", "--dialect", "head"), "stops with an error when it merges sd1"),
    ],
)
def test_convert_names_what_is_wrong(chain: Path, words: tuple[str, ...], message: str) -> None:
    assert message in run("convert", *words, status=1).output
    assert not Path("out.toml").exists()


def test_overwrite_replaces(chain: Path) -> None:
    run("convert", ROW, chain, "--from", "weights", "--overwrite")
    assert len(read_recipe_file(chain).recipe.steps) == 1
