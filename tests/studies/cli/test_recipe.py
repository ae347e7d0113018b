"""`recipe-search recipe show` and `diff`, and `merge`, by way of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from engine.recipes.file import RecipeFile, read_recipe_file
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep, SelfStep
from studies.cli.main import main
from tests.engine.models.tiny import write_tiny
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.studies.cli.recipe_command import CHAIN, ROW, SAVED, SITES, checkpoint, run, write_chain


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.inputs.hashes.user_memory", lambda: tmp_path / "hashes.json")


@pytest.fixture
def chain() -> Path:
    return write_chain()


# --------------------------------------------------------------------------------------------------------------- show


def test_show_tells_everything_of_a_recipe_file(chain: Path) -> None:
    text = run("show", chain).output
    for words in (
        f"recipe {CHAIN.key}", "SuperMerger's dialect classic", "first.safetensors", "step 1, mind: Weight sum, normal",
        "IN00", "0.35", "OUT11", "step 2: self", "OUT08", "attn1", "0.88", "step 3: adjust", "COL3", "-1",
    ):  # fmt: skip
        assert words in text


def test_show_gives_what_to_set_in_supermerger(chain: Path) -> None:
    text = run("show", chain, "--supermerger").output
    assert "Model A: A, first.safetensors" in text
    assert f"weights (BASE first): {ROW}" in text
    assert "Run 2" in text
    assert "Adjust: 0,0,0,-1,1,1,1,0" in text


def test_show_reads_supermergers_metadata_in_a_checkpoint() -> None:
    path = checkpoint("merged.safetensors", SAVED["saved_metadata"])
    text = run("show", path).output
    assert "sd15_A_fp32 sha256 f9e3d4aa" in text
    assert "OUT05" in text
    assert "note: Adjust, gamma and seed are not recorded" in text


def sdxl_row(time: str = "2024.03.11 12.00.00", more: str = "Off,[],") -> str:
    weights = ",".join(["0.5"] * 20)
    return (
        f'7,{time},mix,"{weights}",,aaaaaaaaaa,bbbbbbbbbb,aaaaaaaaaa,0.5,0.0,Weight sum:A*(1-alpha)+B*alpha,True,,'
        f"[],[],,normal,-1,,0.3,{more}\n"
    )


def test_a_row_is_read_in_the_dialect_of_its_time_which_is_said() -> None:
    Path("mergehistory.csv").write_text(sdxl_row(), encoding="utf-8")
    shown = run("show", "mergehistory.csv").output.replace("\n", " ")
    assert "SuperMerger's dialect classic (commit c60e6f3, 2025-10-07), sdxl" in shown
    assert "read in the dialect classic: the row is of 2024.03.11" in shown
    done = run("convert", "mergehistory.csv", "mix.toml")
    assert "note: read in the dialect classic: the row is of 2024.03.11" in done.stderr
    assert read_recipe_file("mix.toml").recipe.dialect == "classic"
    run("convert", "mergehistory.csv", "head.toml", "--read-as", "head")
    assert read_recipe_file("head.toml").recipe.dialect == "head"


def test_weights_that_head_did_not_keep_are_said() -> None:
    row = sdxl_row("2026.03.11 12.00.00", "Exclude,[],attn1").replace(
        "0.5,0.5,0.5,0.5,0.5,0.5", "0.5,0.5,0.5,0.5,0.5,0"
    )
    assert (
        "this row cannot be rebuilt: the dialect head writes 0" in run("convert", row, "-", "--from", "history").stderr
    )


def test_what_no_row_records_is_given_by_options() -> None:
    row = sdxl_row("2026.03.11 12.00.00")
    done = run("convert", row, "-", "--from", "history", "--extended")
    assert "extended = true" in done.stdout
    assert "use extended XL" not in done.stderr


def test_random_weights_have_limits_seed_and_mode() -> None:
    text = ",".join(["0", "X", "U", *["0.5"] * 17])
    options = (
        "--from",
        "weights",
        "--family",
        "sdxl",
        "--seed",
        3,
        "--lower",
        "-1",
        "--upper",
        2,
        "--alpha-upper",
        1.5,
    )
    run("convert", text, "mix.toml", *options, "--mode", "Triple sum", "--beta", 0.25, "--decimals", 4)
    (step,) = read_recipe_file("mix.toml").recipe.runs
    first, second = (float(x) for x in np.random.RandomState(3).rand(3)[1:])
    assert isinstance(step.alpha, tuple)
    assert step.alpha[1:3] == (max(round(-3 * first + 2, 4), 0), min(max(round(1.5 - 2 * second, 4), 0), 1.5))
    assert step.mode == "Triple sum"
    assert step.beta == (0.25,) * 20
    shown = run("show", text, *options).output
    assert "alpha" in shown
    wrong = run("show", text, *options[:-1], "much", status=1).output
    assert "--alpha-upper: 'much' is not a row of numbers" in wrong


def test_metadata_of_the_webui_become_a_recipe_that_merges_as_it_did() -> None:
    recipe = {"type": "webui", "interp_method": "Weighted sum", "multiplier": 0.3, "save_as_half": True}
    recipe |= {"primary_model_hash": "a" * 64, "secondary_model_hash": "b" * 64, "bake_in_vae": "None"}
    done = run("convert", json.dumps(recipe), "mix.toml", "--from", "metadata", "--family", "sd1")
    assert "read in the dialect webui" in done.stderr
    assert "VAE" not in done.stderr
    found = read_recipe_file("mix.toml").recipe
    assert (found.dialect, found.save, found.steps) == ("webui", "fp16", (MergeStep(alpha=0.3),))
    assert "the Checkpoint Merger of AUTOMATIC1111's WebUI" in run("show", "mix.toml").output.replace("\n", " ")
    assert "Multiplier (M): 0.3" in run("show", "mix.toml", "--supermerger").stdout
    assert "translate it with recipe-search" in run("convert", "mix.toml", "-", "--to", "history", status=1).output
    assert 'dialect = "classic"' in run("convert", "mix.toml", "-", "--dialect", "classic").stdout


def test_names_that_meet_nothing_are_noted(chain: Path) -> None:
    done = run("convert", "out05:attn1:0.5", "-", "--from", "elemental")
    assert (
        "note: elemental segment 1, 'out05:attn1:0.5': no tensor has a block 'out05'; did you mean OUT05?"
        in done.stderr
    )
    made = run("cells", chain, "plot", "-x", "elemental=MID::0.1")
    assert "no tensor has a block 'MID'; did you mean M00?" in made.stderr


def test_lines_that_are_no_presets_are_noted() -> None:
    Path("own.txt").write_text(f"preset_name\tpreset_weights\nMINE\t{ROW}\nbroken\n", encoding="utf-8")
    done = run("convert", "own.txt", "-", "--from", "preset")
    assert "note: own.txt: line 3: 'broken' has no tab or colon behind the name" in done.stderr
    again = run("convert", "MINE", "-", "--from", "weights", "--presets", "own.txt")
    assert "own.txt: line 3: 'broken' has no tab" in again.stderr
    wrong = run("convert", "own.txt", "-", "--from", "preset", "--preset", "MIEN", status=1)
    assert "there is no preset 'MIEN'; did you mean MINE?" in wrong.output


def test_show_reads_our_own_metadata_first() -> None:
    own = {"recipe": CHAIN.text, "models": {"A": {"name": "first.safetensors", "sha256": "a" * 64}}}
    path = checkpoint("ours.safetensors", {"sd_recipe_search": json.dumps(own), **SAVED["saved_metadata"]})
    text = run("show", path).output
    assert f"recipe {CHAIN.key}" in text
    assert "first.safetensors sha256 aaaa" in text


def test_show_of_a_checkpoint_without_a_recipe_says_so() -> None:
    path = checkpoint("plain.safetensors", {"format": "pt"})
    assert "there is no sd_merge_recipe in the metadata (format)" in run("show", path, status=1).output


def test_show_reads_standard_input() -> None:
    assert CHAIN.key in run("show", "-", "--from", "toml", text=CHAIN.text).output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.toml",), "there is no such file"),
        (("nothing.xyz",), "there is no such file; check the path, or name a text's kind with --from: toml"),
        (("nothing.csv", "--id", "1"), "there is no such file"),
        (("nothing.safetensors",), "there is no such file"),
        (("-", "--from", "metadata"), "this is not JSON"),
    ],
)
def test_show_names_what_is_wrong(words: tuple[str, ...], message: str) -> None:
    assert message in run("show", *words, text="x", status=1).output


def test_standard_input_that_is_no_text_is_said() -> None:
    found = CliRunner().invoke(main, ["recipe", "show", "-", "--from", "toml"], input=b"\xff\xfe")
    assert (found.exit_code, found.output) == (1, "Error: standard input is not UTF-8 text; save it as UTF-8\n")


# --------------------------------------------------------------------------------------------------------------- diff


def saved(name: str, recipe: Recipe) -> Path:
    write_recipe_file(name, RecipeFile(recipe=recipe, models={n: Path(f"{n}.safetensors") for n in recipe.models}))
    return Path(name)


def test_diff_of_equals_is_silent_and_0(chain: Path) -> None:
    assert run("diff", chain, chain).output == ""


def test_diff_lists_what_differs_and_ends_with_1(chain: Path) -> None:
    factors = (*SITES[:1], (SITES[1][0], 0.9))
    other = Recipe(
        steps=(
            MergeStep(alpha=(0.0, *(0.35,) * 24, 0.5), elemental="M00::0.2"),
            SelfStep(factors=factors),
            AdjustStep(values=(0, 0, 0, 5, 1, 1, 1, 0)),
            AdjustStep(values=(1,) * 8),
        )
    )
    text = run("diff", chain, saved("other.toml", other), status=1).output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    assert rows == [
        ["1", "name", "mind", "-"],
        ["1", "alpha OUT11", "0.25", "0.5"],
        ["1", "rule 1", "-", "M00::0.2"],
        ["2", "factor of OUT08:attn1", "0.88", "0.9"],
        ["3", "Adjust CONT", "-1", "5"],
        ["4", "kind", "-", "adjust"],
    ]


def test_diff_that_cannot_compare_ends_with_2(chain: Path) -> None:
    assert "there is no such file" in run("diff", chain, "nothing.toml", status=2).output


def test_merge_writes_computed_dtypes_and_notes_names_that_meet_nothing() -> None:
    for name, seed, dtype in (("a", 1, torch.float16), ("b", 2, torch.float32)):
        write_tiny(Path(f"{name}.safetensors"), seed, dtype=dtype)
    head = 'format = 1\ndialect = "webui"\n[models]\nA = "a.safetensors"\nB = "b.safetensors"\n[[steps]]\nalpha = 0.3\n'
    Path("webui.toml").write_text(head, encoding="utf-8")
    rules = head.replace('"webui"', '"classic"') + 'elemental = "out05::1"\n'
    Path("rules.toml").write_text(rules.replace("alpha = 0.3", "alpha = 1"), encoding="utf-8")
    options = ["--no-recipe", "--dtype", "computed"]
    done = CliRunner().invoke(main, ["merge", "webui.toml", "webui.safetensors", *options])
    assert done.exit_code == 0, done.output
    a, b, found = (load_file(f"{name}.safetensors") for name in ("a", "b", "webui"))
    key = "model.diffusion_model.out.0.weight"
    assert torch.equal(found[key], ((1 - 0.3) * a[key] + 0.3 * b[key]).half())
    done = CliRunner().invoke(main, ["merge", "rules.toml", "rules.safetensors", *options])
    assert "note: elemental segment 1, 'out05::1': no tensor has a block 'out05'; did you mean OUT05?" in done.stderr
    assert load_file("rules.safetensors")[key].dtype == torch.float32
    refused = CliRunner().invoke(main, ["merge", "rules.toml", "folded.safetensors", "--folded", *options])
    assert "a folded checkpoint has no dtype computed" in refused.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--alpha", "0.9"), "--alpha would change nothing: the input is a recipe, which says all of it itself"),
        (("--preset", "GRAD_V", "--mode", "sum Twice"), "--preset, --mode would change nothing"),
        (("--elemental", "OUT05:attn1:0.7"), "--elemental would change nothing"),
        (("--id", "3"), "--id would change nothing"),
    ],
)
def test_an_option_that_a_recipe_file_does_not_heed_is_refused(
    chain: Path, words: tuple[str, ...], message: str
) -> None:
    assert message in run("show", chain, *words, status=2).output
    assert message in run("convert", chain, "-", "--to", "weights", *words, status=2).output


def test_an_option_that_a_single_text_does_not_heed_is_refused() -> None:
    assert "--alpha would change nothing" in run("show", ROW, "--from", "weights", "--alpha", "0.9", status=2).output
    run("show", ROW, "--from", "weights", "--elemental", "OUT05:attn1:0.7", "--adjust", "0,0,0,1,0,0,0")


def test_diff_takes_an_option_that_one_of_both_heeds(chain: Path) -> None:
    path = checkpoint("merged.safetensors", SAVED["saved_metadata"])
    run("diff", chain, path, "--family", "sd1", status=1)
    assert "--id would change nothing" in run("diff", chain, path, "--id", "3", status=2).output


def test_help_shows_no_range_without_bounds() -> None:
    assert "None]" not in run("show", "--help").output
