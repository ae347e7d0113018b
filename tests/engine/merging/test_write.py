from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.architecture.layout import Widths
from engine.checkpoints.checkpoint import file_sha256, open_checkpoint
from engine.errors import CheckpointError, RecipeError
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.merging.evaluate import DTYPES
from engine.merging.exact import replay
from engine.merging.output import ArithmeticName, Output
from engine.merging.write import write_checkpoint
from engine.recipes.blocks import Site, is_merged
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from tests.engine.models.tiny import POSITION_IDS, TINY, modules, tensors, write_tiny

RECIPE = Recipe(
    steps=(
        MergeStep(alpha=tuple((0.37 + 0.31 * n) % 1.3 - 0.1 for n in range(26))),
        SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88), (Site.parse("OUT11:"), 1.1))),
        AdjustStep(values=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25)),
    )
)


@pytest.fixture
def parents(tiny_a: Path, tiny_b: Path) -> dict[str, Path]:
    """A and B."""
    return {"A": tiny_a, "B": tiny_b}


@pytest.mark.parametrize("dtype", ["fp16", "fp32", "bf16"])
def test_the_folded_file_is_the_live_weights(tmp_path: Path, parents: dict[str, Path], dtype: str) -> None:
    checkpoints = {name: open_checkpoint(path) for name, path in parents.items()}
    weights = LiveWeights.load(
        LiveModel.empty(TINY), checkpoints, device=torch.device("cpu"), dtype=torch.float32, round_to=dtype
    )
    weights.build(weights.plan(Recipe.flat(0.9)))
    weights.build(weights.plan(RECIPE))
    folded = Output(dtype=dtype, arithmetic="folded")
    out = write_checkpoint(RECIPE, parents, tmp_path / "out.safetensors", output=folded, metadata={}).path
    written = open_checkpoint(out)
    for key in weights.keys:
        assert torch.equal(written.read(key).float().flatten(), weights.read(key).flatten()), key


@pytest.mark.parametrize("dtype", ["fp16", "fp32", "bf16"])
def test_the_exact_file_holds_supermergers_values(tmp_path: Path, parents: dict[str, Path], dtype: str) -> None:
    """Run by run in SuperMerger's own arithmetic; fp16 between the runs."""
    checkpoints = {name: open_checkpoint(path) for name, path in parents.items()}
    result = replay(RECIPE, checkpoints)
    out = write_checkpoint(RECIPE, parents, tmp_path / "out.safetensors", output=Output(dtype=dtype), metadata={}).path
    written = open_checkpoint(out)
    assert {*written.tensors} == {*result.shapes}
    for key in written.tensors:
        value = result.read(key)
        wanted = value.to(DTYPES[dtype]) if "model" in key and value.is_floating_point() else value
        assert torch.equal(written.read(key), wanted), key


@pytest.mark.parametrize(
    ("step", "single"),
    [
        (MergeStep(alpha=0.3, adjust=(0, 0, 0, 1, 0, 0, 0, 0)), {"model.diffusion_model.out.2.bias"}),
        (MergeStep(alpha=1.0), None),  # B as it is
        (MergeStep(models=("A", "B", "A"), mode="Add difference", calculation="trainDifference", alpha=0.5), None),
    ],
)
def test_computed_dtypes_are_those_of_exact_replay(
    tmp_path: Path, tiny_a: Path, tiny_b: Path, tiny_b32: Path, step: MergeStep, single: set[str] | None
) -> None:
    """One tensor that Adjust makes float32, or every one that is merged."""
    parents = {"A": tiny_a, "B": tiny_b if single else tiny_b32}
    recipe, output = Recipe(steps=(step,), save="computed"), Output(dtype="computed")
    result = replay(recipe, {name: open_checkpoint(path) for name, path in parents.items()})
    out = write_checkpoint(recipe, parents, tmp_path / "out.safetensors", output=output, metadata={}).path
    found = load_file(out)
    assert {key: value.dtype for key, value in found.items()} == {key: result.read(key).dtype for key in result.shapes}
    assert all(torch.equal(found[key], result.read(key)) for key in found)
    wide = {key for key, value in found.items() if value.dtype == torch.float32 and key != "alphas_cumprod"}
    assert wide == (single or {key for key in found if is_merged(key)})


def test_a_folded_file_has_no_computed_dtypes() -> None:
    with pytest.raises(CheckpointError, match="a folded checkpoint has no dtype computed; write fp16, bf16, fp32, or"):
        Output(dtype="computed", arithmetic="folded")


def test_the_file_has_the_layout_of_a(tmp_path: Path, parents: dict[str, Path]) -> None:
    write_checkpoint(RECIPE, parents, tmp_path / "out.safetensors", metadata={"recipe": RECIPE.text})
    found, a = load_file(tmp_path / "out.safetensors"), load_file(parents["A"])
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in a.items()}
    assert torch.equal(found[POSITION_IDS], a[POSITION_IDS])
    assert found[POSITION_IDS].dtype == torch.int64
    assert torch.equal(found["alphas_cumprod"], a["alphas_cumprod"])
    assert {value.dtype for key, value in found.items() if is_merged(key)} == {torch.float16}
    with safe_open(tmp_path / "out.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt", "recipe": RECIPE.text}


def test_weights_that_only_a_has_are_kept_in_the_export_dtype(tmp_path: Path, tiny_b: Path) -> None:
    content = tensors(modules(TINY, 1)) | {"model_ema.diffusion_modelout2weight": torch.full((3,), 0.1)}
    save_file(content, tmp_path / "a.safetensors")
    out = tmp_path / "out.safetensors"
    write_checkpoint(RECIPE, {"A": tmp_path / "a.safetensors", "B": tiny_b}, out, metadata={})
    assert torch.equal(
        load_file(out)["model_ema.diffusion_modelout2weight"], torch.full((3,), 0.1, dtype=torch.float16)
    )


def test_old_names_stay_as_a_has_them(tmp_path: Path, tiny_a: Path, tiny_b: Path) -> None:
    new, old = "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."
    save_file({key.replace(new, old): value for key, value in load_file(tiny_a).items()}, tmp_path / "a.safetensors")
    out, usual = tmp_path / "out.safetensors", tmp_path / "usual.safetensors"
    write_checkpoint(RECIPE, {"A": tmp_path / "a.safetensors", "B": tiny_b}, out, metadata={})
    write_checkpoint(RECIPE, {"A": tiny_a, "B": tiny_b}, usual, metadata={})
    found, expected = load_file(out), load_file(usual)
    assert f"{old}final_layer_norm.bias" in found
    assert all(torch.equal(found[key.replace(new, old)], value) for key, value in expected.items())


def test_the_hashes_are_those_other_tools_compute(tmp_path: Path, parents: dict[str, Path]) -> None:
    out = tmp_path / "out.safetensors"
    seen: list[tuple[int, int]] = []
    written = write_checkpoint(RECIPE, parents, out, metadata={"x": "1"}, progress=lambda *now: seen.append(now))
    raw = out.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    assert written.sha256 == file_sha256(out)
    assert written.autov2 == written.sha256[:10]
    assert written.autov3 == hashlib.sha256(raw[start:]).hexdigest()
    assert written.bytes == len(raw) == seen[-1][0] == seen[-1][1]
    assert start % 8 == 0
    assert raw[8:10] == b'{"'
    save_file(load_file(out), tmp_path / "again.safetensors")
    again = (tmp_path / "again.safetensors").read_bytes()
    assert again[8 + int.from_bytes(again[:8], "little") :] == raw[start:]


def test_tensors_of_every_dtype_are_in_the_librarys_order(tmp_path: Path, parents: dict[str, Path]) -> None:
    kinds = (
        torch.int64, torch.float64, torch.float32, torch.int32, torch.bfloat16, torch.float16, torch.int16,
        torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.uint8, torch.bool,
    )  # fmt: skip
    more = {f"{'zyxwvutsrqpo'[n]}.{n}": torch.zeros(3, dtype=kind) for n, kind in enumerate(kinds)}
    save_file(load_file(parents["A"]) | more, tmp_path / "a.safetensors")
    out, again = tmp_path / "out.safetensors", tmp_path / "again.safetensors"
    done = write_checkpoint(RECIPE, parents | {"A": tmp_path / "a.safetensors"}, out, metadata={})
    save_file(load_file(out), again)
    raw = again.read_bytes()
    assert hashlib.sha256(raw[8 + int.from_bytes(raw[:8], "little") :]).hexdigest() == done.autov3


def test_equal_recipes_give_equal_files(tmp_path: Path, parents: dict[str, Path]) -> None:
    first = write_checkpoint(RECIPE, parents, tmp_path / "1.safetensors", metadata={"a": "1"})
    second = write_checkpoint(Recipe.parse(RECIPE.text), parents, tmp_path / "2.safetensors", metadata={"a": "2"})
    assert first.autov3 == second.autov3
    assert first.sha256 != second.sha256


def test_an_existing_file_is_not_replaced_unless_asked(tmp_path: Path, parents: dict[str, Path]) -> None:
    out = tmp_path / "out.safetensors"
    out.write_text("mine")
    with pytest.raises(CheckpointError, match="exists already"):
        write_checkpoint(RECIPE, parents, out, metadata={})
    assert out.read_text() == "mine"
    write_checkpoint(RECIPE, parents, out, metadata={}, overwrite=True)
    open_checkpoint(out)


def test_a_parent_is_never_replaced(parents: dict[str, Path]) -> None:
    before = file_sha256(parents["B"])
    with pytest.raises(CheckpointError, match="one of the parents"):
        write_checkpoint(RECIPE, parents, parents["B"], metadata={}, overwrite=True)
    assert file_sha256(parents["B"]) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.ckpt", "ends in .safetensors"),
        ("none/out.safetensors", "there is no folder"),
        ("dir.safetensors", "is a folder"),
    ],
)
def test_impossible_outputs(tmp_path: Path, parents: dict[str, Path], name: str, message: str) -> None:
    (tmp_path / "dir.safetensors").mkdir()
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(RECIPE, parents, tmp_path / name, metadata={})
    assert [path.name for path in tmp_path.iterdir()] == ["dir.safetensors"]


def test_wrong_wishes(tmp_path: Path, parents: dict[str, Path]) -> None:
    out = tmp_path / "out.safetensors"
    with pytest.raises(CheckpointError, match="cannot write 'fp8'"):
        Output(dtype="fp8")
    with pytest.raises(RecipeError, match="the recipe takes B; the models at hand are A"):
        write_checkpoint(RECIPE, {"A": parents["A"]}, out, metadata={})


def test_parents_that_do_not_fit_are_refused(tmp_path: Path, tiny_a: Path) -> None:
    wide = Widths(unet=(32, 64, 128, 128), vae=TINY.vae, text=64, text_layers=3, text_hidden=256)
    other = write_tiny(tmp_path / "b.safetensors", 2, widths=wide)
    with pytest.raises(RecipeError, match=r"cannot be merged: .* and \d+ more differ in shape"):
        write_checkpoint(RECIPE, {"A": tiny_a, "B": other}, tmp_path / "out.safetensors", metadata={})
    assert [path.name for path in tmp_path.iterdir()] == ["b.safetensors"]


def test_models_of_another_family_are_refused(tmp_path: Path, parents: dict[str, Path]) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.5),), family="sdxl", dialect="head")
    with pytest.raises(CheckpointError, match=r'family sd1, and the recipe is for sdxl; write family = "sd1"'):
        write_checkpoint(recipe, parents, tmp_path / "out.safetensors", metadata={})


# ---------------------------------------------------------------------------------------------- what is in the file


def test_pruning_drops_ema_and_buffers_and_keeps_the_marks(tmp_path: Path, parents: dict[str, Path]) -> None:
    content = load_file(parents["A"]) | {
        "model_ema.diffusion_modelout2bias": torch.zeros(4),
        "model_ema.decay": torch.tensor(0.99),
        "v_pred": torch.zeros(0),
        "edm_vpred.sigma_max": torch.tensor(80.0),
    }
    save_file(content, tmp_path / "a.safetensors")
    files = {"A": tmp_path / "a.safetensors", "B": parents["B"]}
    whole = write_checkpoint(RECIPE, files, tmp_path / "whole.safetensors", metadata={}).path
    pruned = write_checkpoint(
        RECIPE, files, tmp_path / "pruned.safetensors", output=Output(prune=True), metadata={}
    ).path
    dropped = {*load_file(whole)} - {*load_file(pruned)}
    assert dropped == {"model_ema.diffusion_modelout2bias", "model_ema.decay", "alphas_cumprod"}


def test_clip_position_ids_are_repaired_on_request(tmp_path: Path, parents: dict[str, Path]) -> None:
    """Merges in fp16 by other tools have left rounded floats there."""
    broken = load_file(parents["A"]) | {POSITION_IDS: torch.arange(77)[None].half() * 0.999}
    save_file(broken, tmp_path / "a.safetensors")
    files = {"A": tmp_path / "a.safetensors", "B": parents["B"]}
    kept = write_checkpoint(RECIPE, files, tmp_path / "kept.safetensors", metadata={}).path
    output = Output(reset_clip_ids=True)
    mended = write_checkpoint(RECIPE, files, tmp_path / "mended.safetensors", output=output, metadata={}).path
    assert torch.equal(load_file(kept)[POSITION_IDS], broken[POSITION_IDS])
    assert torch.equal(load_file(mended)[POSITION_IDS], torch.arange(77)[None])


def test_keys_that_only_b_has_are_appended(tmp_path: Path, parents: dict[str, Path]) -> None:
    more = {"model.diffusion_model.more.weight": torch.full((3,), 2.0), "betas": torch.ones(3)}
    save_file(load_file(parents["B"]) | more, tmp_path / "b.safetensors")
    for arithmetic in ("exact", "folded"):
        out = tmp_path / f"{arithmetic}.safetensors"
        files = {"A": parents["A"], "B": tmp_path / "b.safetensors"}
        found = load_file(write_checkpoint(RECIPE, files, out, output=Output(arithmetic=arithmetic), metadata={}).path)
        assert torch.equal(found["model.diffusion_model.more.weight"], torch.full((3,), 2.0, dtype=torch.float16))
        assert "betas" not in found


def test_a_chain_of_three_models_is_written(tmp_path: Path, parents: dict[str, Path]) -> None:
    write_tiny(tmp_path / "c.safetensors", 3)
    steps = (
        MergeStep(alpha=0.3, name="first"),
        MergeStep(models=("first", "C", "A"), mode="Add difference", alpha=0.5, calculation="trainDifference"),
        AdjustStep(values=(0, 0, 0, 5, 0, 0, 0, 0)),
    )
    files = parents | {"C": tmp_path / "c.safetensors"}
    values: list[dict[str, torch.Tensor]] = []
    for arithmetic in ("exact", "folded"):
        out = tmp_path / f"{arithmetic}.safetensors"
        values.append(
            load_file(
                write_checkpoint(
                    Recipe(steps=steps), files, out, output=Output(arithmetic=arithmetic), metadata={}
                ).path
            )
        )
    exact, folded = values
    assert exact.keys() == folded.keys()
    assert all(torch.allclose(exact[key].float(), folded[key].float(), rtol=2e-3, atol=2e-3) for key in exact)


def test_weights_beyond_fp16_are_refused(tmp_path: Path, parents: dict[str, Path]) -> None:
    huge = Recipe(steps=(MergeStep(alpha=(1e6,) * 26),))
    with pytest.raises(CheckpointError, match="weights that fp16 cannot hold"):
        write_checkpoint(huge, parents, tmp_path / "out.safetensors", metadata={})
    assert not list(tmp_path.iterdir())


def test_nan_weights_are_refused(tmp_path: Path, tiny_b: Path) -> None:
    content = tensors(modules(TINY, 1))
    content["model.diffusion_model.out.2.bias"][0] = torch.nan
    save_file(content, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"out\.2\.bias: .* or a parent has NaN"):
        write_checkpoint(
            RECIPE, {"A": tmp_path / "a.safetensors", "B": tiny_b}, tmp_path / "out.safetensors", metadata={}
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("arithmetic", ["exact", "folded"])
def test_the_parent_with_nan_is_named_and_the_option_that_leaves_it_out(
    tmp_path: Path, parents: dict[str, Path], arithmetic: ArithmeticName
) -> None:
    content = load_file(parents["B"]) | {"model_ema.decay": torch.tensor(torch.nan)}
    files = parents | {"B": tmp_path / "b.safetensors"}
    save_file(content, files["B"])
    out = tmp_path / "out.safetensors"
    message = rf"model_ema\.decay: .* a parent has NaN weights: here B \({files['B']}\); leave out .* with --prune, or"
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(RECIPE, files, out, output=Output(arithmetic=arithmetic), metadata={})
    write_checkpoint(RECIPE, files, out, output=Output(arithmetic=arithmetic, prune=True), metadata={})
    assert "model_ema.decay" not in load_file(out)


def test_an_interruption_leaves_nothing(tmp_path: Path, parents: dict[str, Path]) -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(RECIPE, parents, tmp_path / "out.safetensors", metadata={}, progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_disk_known_to_be_too_small(
    tmp_path: Path, parents: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.merging.write.shutil.disk_usage", lambda _: SimpleNamespace(free=1234))
    with pytest.raises(CheckpointError, match=r"needs \d+ bytes, 1234 bytes are free"):
        write_checkpoint(RECIPE, parents, tmp_path / "out.safetensors", metadata={})
    assert not list(tmp_path.iterdir())


LIMITED = """
import resource, sys
from pathlib import Path
from engine.errors import CheckpointError
from engine.recipes.recipe import Recipe
from engine.merging.write import write_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
a, b, out = map(Path, sys.argv[1:])
try:
    write_checkpoint(Recipe.flat(0.5), {"A": a, "B": b}, out, metadata={})
except CheckpointError as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a POSIX matter")
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, parents: dict[str, Path]) -> None:
    """A file size limit stops the write where a full disk would."""
    command = [sys.executable, "-c", LIMITED, str(parents["A"]), str(parents["B"]), str(tmp_path / "out.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 7, done.stderr
    size = parents["A"].stat().st_size
    needed = int(done.stdout.split("needs ")[1].split(" bytes")[0])
    assert abs(needed - size) < 100_000
    assert "bytes are free" in done.stdout
    assert not list(tmp_path.iterdir())
