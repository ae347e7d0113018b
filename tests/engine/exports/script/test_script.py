"""Scripts build the same file as the target ``checkpoint``, to the last bit, with torch, NumPy and safetensors alone.

All scripts run one after another in one interpreter that sees no other installed package, and none of this project.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import file_sha256
from engine.errors import RecipeError
from engine.exports.content import ExportContent
from engine.exports.registry import export
from engine.exports.script.source import functions
from engine.exports.script.tables import by_beginning
from engine.exports.target import ExportOptions
from engine.merging.output import Output
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.exports.recipes import NONLINEAR, RISING, SD1, SDXL, drawn
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import write_family

_NEEDED = ("torch", "torchgen", "functorch", "numpy", "numpy.libs", "safetensors", "typing_extensions.py", "sympy",
           "mpmath", "filelock", "fsspec", "jinja2", "markupsafe", "networkx", "nvidia", "triton")  # fmt: skip
"""What the three packages themselves need."""
_RUNNER = """
import json, runpy, sys
sys.path.insert(0, sys.argv[1])
seen = {}
for name, words in json.load(open(sys.argv[2], encoding="utf-8")):
    sys.argv = words
    try:
        runpy.run_path(words[0], run_name="__main__")
        seen[name] = ""
    except SystemExit as error:
        seen[name] = str(error)
seen["modules"] = sorted(name for name in sys.modules if name.partition(".")[0] in {"engine", "scipy", "diffusers"})
json.dump(seen, open("seen.json", "w", encoding="utf-8"))
"""
_MODES = {
    "Weight sum": ("A", "B"),
    "Add difference": ("previous", "B", "C"),
    "Triple sum": ("previous", "B", "C"),
    "sum Twice": ("previous", "B", "C"),
}
_TRIPLE = MergeStep(models=("A", "B", "C"), alpha=0.4, beta=-0.4, mode="Triple sum", adjust=(1, 2, 3, 4, 5, 6, 7, 8))
_ELSEWHERE = (
    *("one ratio", "one ratio, UNet alone", "blocks", "self", "adjust", "blocks and all adjust", "add difference"),
    *("triple sum", "sum twice", "twenty"),
)
"""Recipes that others have in them."""
_SUM = Output(arithmetic="folded")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recipe, its models and what is asked for."""

    recipe: Recipe
    output: Output = field(default_factory=Output)
    models: tuple[str, ...] = ("A", "B", "C")
    with_recipe: bool = True


def _dialects() -> Iterator[tuple[str, Case]]:
    """Every merge mode in every dialect, with the arithmetic that is its own."""
    for dialect in ("2023", "classic", "head_patched"):
        adjust = (1.0, 2, 3, 4, 5, 6, 7) if dialect == "2023" else (1.0, 2, 3, 4, 5, 6, 7, 8)
        for old in (False, True) if dialect == "classic" else (False,):
            steps = tuple(
                MergeStep(models=models, alpha=RISING, beta=0.2, mode=mode, adjust=adjust, old_arithmetic=old)
                for mode, models in _MODES.items()
            )
            recipe = Recipe(steps=steps, dialect=dialect, save="computed" if old else "fp16")
            yield f"{dialect}, old {old}", Case(recipe=recipe, output=Output(dtype="fp32"))
    for mode, models in (("Weight sum", ("A", "B")), ("Add difference", ("A", "B", "C"))):
        steps = (MergeStep(models=models, alpha=0.3, mode=mode), MergeStep(models=("previous", "B"), alpha=1))
        webui = Recipe(steps=steps, dialect="webui")
        yield f"webui, {mode}", Case(recipe=webui, models=("W", "B", "C"), output=Output(dtype="computed"))
    twice = Recipe(steps=(MergeStep(models=("A", "A")),), dialect="webui")
    yield "webui, one model twice", Case(recipe=twice, models=("W",), output=Output(dtype="computed"))


def _cases() -> Iterator[tuple[str, Case]]:
    for name, recipe in {**SD1, **SDXL}.items():
        if name not in _ELSEWHERE:
            yield name, Case(recipe=recipe)
    for number, recipe in enumerate(drawn(2, seed=3)):
        yield f"drawn {number}", Case(recipe=recipe, output=_SUM if number % 2 else Output())
    yield from _dialects()
    worked = SD1["worked"]
    for dtype in ("bf16", "computed"):
        yield f"exact, {dtype}", Case(recipe=worked, output=Output(dtype=dtype), models=("W", "B", "C"))
    folded = Output(dtype="fp32", arithmetic="folded")
    yield "folded, fp32", Case(recipe=SD1["chain"], output=folded, models=("W", "B", "C"))
    pruned = Output(prune=True, reset_clip_ids=True)
    yield "pruned, positions reset, without metadata", Case(recipe=worked, output=pruned, with_recipe=False)
    yield "total of 0", Case(recipe=Recipe(steps=(_TRIPLE,)))
    yield "an inpainting model", Case(recipe=SD1["blocks"], models=("I", "B"))
    yield "more keys in B and C, old names", Case(recipe=SD1["add difference"], models=("O", "M", "C"))
    yield "more keys in B and C, folded", Case(recipe=SD1["add difference"], models=("O", "M", "C"), output=_SUM)
    yield "trainDifference", Case(recipe=NONLINEAR["trainDifference"], models=("A", "B", "M"))
    equal = MergeStep(models=("A", "B", "B"), alpha=0.7, calculation="trainDifference", adjust=(1, 2, 3, 4, 5, 6, 7, 8))
    yield "trainDifference of equal models", Case(recipe=Recipe(steps=(equal, *SD1["worked"].steps[1:])))
    half = MergeStep(models=("A", "B", "C"), alpha=RISING, calculation="trainDifference", adjust=equal.adjust)
    yield "trainDifference, adjusted", Case(recipe=Recipe(steps=(half, MergeStep(models=("previous", "B"), alpha=0.3))))
    yield "random ratios", Case(recipe=Recipe(steps=(MergeStep(alpha=RISING, elemental="::R", seed=7),)))


CASES = dict(_cases())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a space, a quote and Japanese letters in its name, and the models."""
    folder = tmp_path_factory.mktemp("混ぜ's 中")
    for seed, name in enumerate("ABC", start=1):
        write_tiny(folder / f"{name}.safetensors", seed)
        write_family(folder / f"xl{name}.safetensors", "sdxl", seed)
    write_tiny(folder / "W.safetensors", 4, dtype=torch.float32)
    a, b = (load_file(folder / f"{name}.safetensors") for name in "AB")
    first = "model.diffusion_model.input_blocks.0.0.weight"
    save_file(a | {first: torch.cat([a[first]] * 3, 1)[:, :9].contiguous()}, folder / "I.safetensors")
    old = {key.replace("transformer.text_model.", "transformer."): value for key, value in a.items()}
    save_file(old, folder / "O.safetensors", metadata={"sd_merge_models": '{"0": {"name": "\\u00e9"}}'})
    more = {"model.more.weight": torch.ones(3).half(), "cond_stage_model.logit_scale": torch.ones(())}
    save_file(b | more, folder / "M.safetensors")
    vae = {key.removeprefix("first_stage_model."): value for key, value in b.items() if key.startswith("first_stage")}
    torch.save({"state_dict": vae}, folder / "vae.pt")
    save_file(vae, folder / "vae.safetensors")
    return folder


def _content(folder: Path, case: Case, title: str) -> ExportContent:
    start = "xl" if case.recipe.family == "sdxl" else ""
    paths = dict(zip("ABC", (folder / f"{start}{name}.safetensors" for name in case.models), strict=False))
    models = {name: paths[name] for name in case.recipe.models}
    hashes = {name: file_sha256(path) for name, path in models.items()}
    return ExportContent(recipe=case.recipe, title=title, models=models, hashes=hashes, facts={"approval": "é\n'\""})


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, list[str]]], dict[str, str]]:
    """Runs scripts in an interpreter of their own; returns what each ends with."""
    packages = tmp_path_factory.mktemp("packages")
    home = Path(torch.__file__).parents[1]
    for name in _NEEDED:
        if (home / name).exists():
            (packages / name).symlink_to(home / name)

    def in_its_own_interpreter(commands: dict[str, list[str]]) -> dict[str, str]:
        (folder / "commands.json").write_text(json.dumps(list(commands.items())), encoding="utf-8")
        (folder / "runner.py").write_text(_RUNNER, encoding="utf-8")
        words = [sys.executable, "-I", "-S", "runner.py", str(packages), "commands.json"]
        subprocess.run(words, cwd=folder, check=True, timeout=300)
        return json.loads((folder / "seen.json").read_text(encoding="utf-8"))

    return in_its_own_interpreter


def test_scripts_build_the_same_file_as_the_target_checkpoint(
    folder: Path, run: Callable[[dict[str, list[str]]], dict[str, str]]
) -> None:
    vaes = {
        name: Case(recipe=SD1["worked"], output=Output(vae=folder / name)) for name in ("vae.pt", "vae.safetensors")
    }
    commands: dict[str, list[str]] = {}
    needed: dict[str, str] = {}
    for number, (name, case) in enumerate({**CASES, **vaes}.items()):
        content = _content(folder, case, name)
        options = ExportOptions(output=case.output, with_recipe=case.with_recipe, overwrite=True)
        needed[name] = file_sha256(export("checkpoint", content, folder / "needed.safetensors", options).files[0])
        export("script", content, folder / f"{number}.py", options)
        commands[name] = [f"{number}.py", "--out", f"{number}.safetensors"]
    seen = run(commands)
    assert seen.pop("modules") == []
    assert {name: text for name, text in seen.items() if text} == {}
    made = {name: file_sha256(folder / words[2]) for name, words in commands.items()}
    assert [name for name in made if made[name] != needed[name]] == []


def test_a_script_says_in_words_what_is_wrong(
    folder: Path, run: Callable[[dict[str, list[str]]], dict[str, str]]
) -> None:
    content = _content(folder, Case(recipe=SD1["one ratio"]), "words")
    broken = load_file(folder / "B.safetensors")
    broken["model.diffusion_model.out.2.bias"][0] = torch.nan
    save_file(broken, folder / "nan.safetensors")
    hashes = {**content.hashes, "B": file_sha256(folder / "nan.safetensors")}
    lost = replace(content, models={**content.models, "B": folder / "nan.safetensors"}, hashes=hashes)
    export("script", content, folder / "words.py", ExportOptions(overwrite=True))
    export("script", lost, folder / "nan.py", ExportOptions(overwrite=True))
    (folder / "there.safetensors").write_bytes(b"x")
    out = ["--out", "words.safetensors"]
    seen = run(
        {
            "is another file than B.safetensors (SHA-256": ["words.py", "B=C.safetensors", *out],
            "name it with A=PATH": ["words.py", "A=nowhere.safetensors", *out],
            "is one of the parents": ["words.py", "--out", "A.safetensors", "--overwrite"],
            "exists already": ["words.py", "--out", "there.safetensors"],
            "ends in .safetensors": ["words.py", "--out", "x.ckpt"],
            "make it first": ["words.py", "--out", "none/x.safetensors"],
            "out.2.bias: the merge gives weights that F16 cannot hold": ["nan.py", *out],
        }
    )
    seen.pop("modules")
    assert {part: text for part, text in seen.items() if part not in text or not text.startswith("error: ")} == {}
    assert not (folder / "words.safetensors").exists()
    assert not list(folder.glob(".*.part"))


def test_what_a_person_reads_stands_at_the_top(folder: Path) -> None:
    content = _content(folder, Case(recipe=SD1["worked"]), 'a title"""\nimport os')
    export("script", content, folder / "read.py", ExportOptions(overwrite=True))
    text = (folder / "read.py").read_text(encoding="utf-8")
    head, _, tables = text.partition("from __future__")
    assert f"# B: B.safetensors, SHA-256 {content.hashes['B']}" in head
    assert '# Builds the checkpoint a title"""?import os.  Usage' in head
    assert re.search(r"'model\.diffusion_model\.input_blocks\.4\.': 0\.168, +# IN04\n", tables)
    assert "# ---- Step 2 of 3: self: step1 times factors" in tables
    assert "'model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.': 0.88," in tables
    assert "def triple_sum" not in text
    assert "engine" not in functions(["main", "run_steps", "WeightedSums", "sum_twice", "halved"])


def test_other_calculation_modes_are_refused_with_their_keys(folder: Path) -> None:
    content = _content(folder, Case(recipe=NONLINEAR["cosine"]), "cosine")
    with pytest.raises(RecipeError, match=r"no arithmetic of cosineA: cond_stage.* more; export it to checkpoint"):
        export("script", content, folder / "no.py", ExportOptions())
    content = _content(folder, Case(recipe=NONLINEAR["trainDifference"]), "train")
    with pytest.raises(RecipeError, match=r"no weighted sums, as --folded makes them.*: cond_stage_model.* more"):
        export("script", content, folder / "no.py", ExportOptions(output=_SUM))


def test_the_wider_input_of_an_inpainting_model_is_no_sum(folder: Path) -> None:
    content = _content(folder, CASES["an inpainting model"], "inpainting")
    with pytest.raises(RecipeError, match=r"--folded.*input_blocks\.0\.0\.weight"):
        export("script", content, folder / "no.py", ExportOptions(output=_SUM))


def test_a_table_is_short_and_gives_every_key_its_value() -> None:
    values = {f"a.{block}.{part}": "1" if block < 12 else "2" for block in range(20) for part in ("x", "y", "z.w")}
    values["a.3.z.w"], values["b"] = "3", "2"
    table = by_beginning(values)
    assert len(table) == 11  # one for most, one for each of the fewer, one exception, one for the rest
    assert {key: _looked_up(table, key) for key in values} == values
    assert [start for start in table if start.startswith("a.1")][:2] == ["a.12.", "a.13."]


def _looked_up(table: dict[str, str], key: str) -> str:
    starts = [start for start in table if key == start or (key.startswith(start) and start.endswith((".", "")))]
    return table[max(starts, key=len)]
