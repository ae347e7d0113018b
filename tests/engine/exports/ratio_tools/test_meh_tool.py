"""The command of meh, run by meh's own code."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from engine.checkpoints.checkpoint import is_kept
from engine.exports.content import ExportContent
from engine.exports.registry import export
from engine.exports.target import ExportOptions
from engine.merging.output import Output
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.exports.recipes import RISING, SD1
from tests.engine.exports.shared_models import content_of, folded, write_models
from tests.engine.exports.tool_merges import commands
from tests.engine.exports.tools import run_tool, tool_program

pytestmark = pytest.mark.tools

_MERGE_MODELS = """
import sys
import sd_meh.merge as merge
from sd_meh.utils import weights_and_bases
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
models = {f"model_{letter}": words[f"-{letter}"] for letter in "abc" if f"-{letter}" in words}
mode, weights, base = words["-m"], words["-wa"], float(words["-ba"])
weights, bases = weights_and_bases(mode, weights, base, None, None, 0.0, None, None, None, 0, 0)
merged = merge.merge_models(models, weights, bases, mode, precision=int(words["-p"]), device=words["-d"])
merge.save_model(merged, words["-o"], words["-f"])
"""
"""What meh's merge_models.py does with its options; the package on the index comes without that file."""

RECIPES = {
    "blocks": Recipe(steps=(MergeStep(alpha=RISING),), dialect="head_patched"),
    "add difference": Recipe(
        steps=(MergeStep(models=("A", "B", "C"), alpha=RISING, mode="Add difference"),), dialect="head_patched"
    ),
    "one ratio beyond 1": Recipe(steps=(MergeStep(alpha=1.3),)),
    "UNet alone": SD1["one ratio, UNet alone"],
}


def _largest(content: ExportContent) -> dict[str, float]:
    """The largest number of a tensor in any of the models, doubled for the ratio beyond 1."""
    models = [load_file(path) for path in content.models.values()]
    return {key: 2 * max(float(model[key].abs().max()) for model in models) for key in models[0]}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_meh_makes_the_folded_result(name: str, dtype: str, tmp_path: Path) -> None:
    python = tool_program("meh")
    content = content_of(RECIPES[name], write_models(tmp_path / "models", "sd1"))
    (tmp_path / "merge_models.py").write_text(_MERGE_MODELS, "utf-8")
    largest = _largest(content)
    done = export("meh", content, tmp_path / "a b.meh.txt", ExportOptions(output=Output(dtype=dtype)))
    (words,) = commands(done.files[0].read_text("utf-8"))
    run_tool([python, *words[1:]], folder=tmp_path)
    found = {key: value for key, value in load_file(tmp_path / "a b.safetensors").items() if is_kept(key)}
    expected = folded(content)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        # meh computes in fp16, as the models are: three roundings, each of half a unit in the eleventh binary digit.
        assert (found[key].float() - value).abs().max() <= largest[key] * 2**-9, key
