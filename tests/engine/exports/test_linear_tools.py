"""The files for sd-mecha and mergekit, executed by the tools' own code: every tensor is that of the folded result."""

from __future__ import annotations

import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.checkpoint import usual_name
from engine.recipes.recipe import Recipe
from tests.engine.exports.executed import WrittenCase, folded, largest_difference, write_parents, written_case
from tests.engine.exports.parents import clipped
from tests.engine.exports.recipes import SD1, SDXL, drawn
from tests.engine.exports.tools import run_tool, tool_program

pytestmark = pytest.mark.tools

RECIPES: dict[str, Recipe] = {
    **SD1,
    **{f"XL {name}": recipe for name, recipe in SDXL.items()},
    **{f"drawn {number}": recipe for number, recipe in enumerate(drawn(50))},
}
TOLERANCE = 1e-6
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("a folder's") / "parents"
    folder.mkdir()
    return write_parents(folder)


def _beside(parents: dict[str, dict[str, Path]]) -> Path:
    """The folder with a space in its name that all is in."""
    return parents["sd1"]["A"].parents[1]


def _cases(target: str, parents: dict[str, dict[str, Path]]) -> dict[str, WrittenCase]:
    folder = _beside(parents) / target
    return {
        name: written_case(target, recipe, parents[recipe.family], folder / f"{name} 混合")
        for name, recipe in RECIPES.items()
    }


def _command(case: WrittenCase) -> str:
    return next(line for line in case.done.usage if line.startswith("mergekit-pytorch"))


def _folder(case: WrittenCase) -> Path:
    """Where the command must be run."""
    return Path(next(shlex.split(line)[1] for line in case.done.usage if line.startswith("cd ")))


def _check(cases: dict[str, WrittenCase], results: dict[str, Path], folder: Path) -> None:
    largest = {
        name: largest_difference(_usual(folded(case, _own(folder / name))), _usual(load_file(results[name])))
        for name, case in cases.items()
    }
    worst = max(largest, key=lambda name: largest[name])
    print(f"{len(largest)} recipes, largest difference {largest[worst]:.2g} ({worst})")
    assert not {name: value for name, value in largest.items() if value > TOLERANCE}


def _usual(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the usual names: sd-mecha writes those of the text encoder so."""
    return {usual_name(name): value for name, value in tensors.items()}


def _own(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _job_file(folder: Path, jobs: list[list[str]]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "jobs.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    return path


def test_sd_mecha_makes_the_folded_result_of_every_recipe(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    python = tool_program("mecha")
    cases = _cases("mecha", parents)
    jobs = [[line for line in case.done.usage if not line.startswith("#")] for case in cases.values()]
    halves = [_job_file(tmp_path / half, jobs[number::2]) for number, half in enumerate(("even", "odd"))]
    with ThreadPoolExecutor() as both:
        list(both.map(lambda half: run_tool([python, HERE / "run_mecha.py", half], folder=tmp_path), halves))
    results = {name: case.done.files[0].with_suffix(".safetensors") for name, case in cases.items()}
    _check(cases, results, tmp_path)


def test_mergekit_makes_the_folded_result_of_every_recipe(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    python = tool_program("mergekit")
    cases = _cases("mergekit", parents)
    jobs = [[str(_folder(case)), *shlex.split(_command(case))] for case in cases.values()]
    run_tool([python, HERE / "run_mergekit.py", _job_file(tmp_path, jobs)], folder=tmp_path)
    results = {name: Path(words[3]) / "model.safetensors" for name, words in zip(cases, jobs, strict=True)}
    _check(cases, results, tmp_path)


def test_the_command_for_mergekit_works_as_it_is_printed(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    case = written_case("mergekit", SD1["worked"], parents["sd1"], _beside(parents) / 'it\'s "one" $HOME 混合')
    words = shlex.split(_command(case))
    run_tool([tool_program("mergekit", words[0]), *words[1:]], folder=_folder(case))
    found = load_file(Path(words[2]) / "model.safetensors")
    assert largest_difference(folded(case, tmp_path), found) < TOLERANCE


NORM = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
QUERY = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
OUT = "model.diffusion_model.output_blocks.7.1.proj_out.weight"


def _odd_parents(folder: Path, *, old: bool, whole: bool = False) -> dict[str, Path]:
    """A lacks what B has unless it is whole, B and C lack what A has; the text encoder of A may have an old name."""
    a, b, c = (clipped("sd1", seed) for seed in range(3))
    if not whole:
        del a[OUT]
    del b[QUERY], c["first_stage_model.quant_conv.bias"]
    if old:
        a[NORM.replace("text_model.", "")] = a.pop(NORM)
    folder.mkdir()
    for name, tensors in zip("ABC", (a, b, c), strict=True):
        save_file(tensors, folder / f"{folder.name}-{name}.safetensors")
    return {name: folder / f"{folder.name}-{name}.safetensors" for name in "ABC"}


ODD = ("worked", "blocks and all adjust", "add difference", "chain")


def test_keys_that_only_some_models_have_are_right_in_sd_mecha(tmp_path: Path) -> None:
    odd, whole = (_odd_parents(tmp_path / str(whole), old=True, whole=whole) for whole in (False, True))
    models = dict(zip(ODD, (odd, odd, whole, whole), strict=True))  # sums of three refuse what A lacks
    cases = {name: written_case("mecha", SD1[name], models[name], tmp_path / name) for name in ODD}
    jobs = [[line for line in case.done.usage if not line.startswith("#")] for case in cases.values()]
    run_tool([tool_program("mecha"), HERE / "run_mecha.py", _job_file(tmp_path, jobs)], folder=tmp_path)
    results = {name: case.done.files[0].with_suffix(".safetensors") for name, case in cases.items()}
    _check(cases, results, _own(tmp_path / "folded"))


def test_keys_that_only_some_models_have_are_right_in_mergekit(tmp_path: Path) -> None:
    models = _odd_parents(tmp_path / "parents", old=False)
    cases = {name: written_case("mergekit", SD1[name], models, tmp_path / name.replace(" ", "-")) for name in ODD}
    jobs = [[str(tmp_path), *shlex.split(_command(case))] for case in cases.values()]
    run_tool([tool_program("mergekit"), HERE / "run_mergekit.py", _job_file(tmp_path, jobs)], folder=tmp_path)
    results = {name: Path(words[2]) / "model.safetensors" for name, (_, *words) in zip(cases, jobs, strict=True)}
    _check(cases, results, _own(tmp_path / "folded"))
