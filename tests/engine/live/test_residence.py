"""Where the parents lie: the same bits from everywhere, and what takes memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.errors import CheckpointError
from engine.footprint.options import RESIDENCES
from engine.live.model import LiveModel
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from tests.engine.live.limited_memory import LimitedMemory
from tests.engine.live.made_weights import FLOATS, QUERY, UNET, build, loaded, same, values

pytestmark = pytest.mark.usefixtures("small_pieces")


def exact(files: Mapping[str, Checkpoint], ratio: float) -> Iterator[tuple[str, Tensor]]:
    """A mix in float64; the rounding to fp16 comes once, after it."""
    for key in LiveModel.empty(files["A"].widths).shapes:
        a, b = (files[name].read(key).double() for name in "AB")
        yield key, a + ratio * (b - a)


def recipes() -> list[Recipe]:
    """One block after another, all blocks, sums that no pass can share, and the way back."""
    cosine = MergeStep(calculation="cosineA", alpha=0.4)
    flats = [Recipe.flat(ratio, base=ratio) for ratio in (0.3, 0.7, 0.2, 0.3)]
    return [*flats[:2], Recipe(steps=(cosine,)), *flats[2:]]


@pytest.fixture(scope="module")
def expected(files: dict[str, Checkpoint]) -> list[dict[str, Tensor]]:
    """What each of the recipes is, built as the first one."""
    found: list[dict[str, Tensor]] = []
    for recipe in recipes():
        fresh = loaded(files, "disk")
        build(fresh, recipe)
        found.append(values(fresh))
    return found


@pytest.mark.parametrize("apart", [False, True], ids=["one memory", "memory of its own"])
@pytest.mark.parametrize("parents", RESIDENCES)
def test_every_residence_builds_the_same_bits(
    files: dict[str, Checkpoint], expected: list[dict[str, Tensor]], parents: str, apart: bool
) -> None:
    weights = loaded(files, parents, LimitedMemory() if apart else None)
    for recipe, one in zip(recipes(), expected, strict=True):
        build(weights, recipe)
        assert same(values(weights), one)


def test_dtypes_lie_side_by_side_and_are_rounded_once(files: dict[str, Checkpoint]) -> None:
    weights = loaded(files, "device")
    for ratio in (0.3, 0.6):
        build(weights, Recipe.flat(ratio, base=ratio))
    assert {weights.parent("B", key).dtype for key in weights.keys} == {*FLOATS}
    assert all(weights.parent(name, key).dtype == files[name].read(key).dtype for key in weights.keys for name in "AB")
    needed = sum(files[name].tensors[key].size for key in weights.keys for name in "AB")
    assert needed <= weights.memory().parents_on_device < 1.3 * needed  # tiny keys do not fill their tiles
    for key, value in exact(files, 0.6):
        found = weights.read(key).double().reshape(value.shape)
        assert torch.allclose(found, value, rtol=2**-10.9, atol=2**-24), key


def test_parents_of_another_dtype_than_merges_know_are_held_in_single_precision(tmp_path: Path, tiny_a: Path) -> None:
    content = load_file(tiny_a)
    content[QUERY] = content[QUERY].to(torch.float32)
    path = tmp_path / "single.safetensors"
    save_file(content, path)
    weights = loaded({"A": open_checkpoint(path)}, "device")
    assert weights.parent("A", QUERY).dtype == torch.float32
    assert weights.parent("A", QUERY).data_ptr() != weights.parent("A", QUERY).data_ptr()  # in its file still


@pytest.mark.parametrize("parents", ["device", "host"])
def test_only_what_moves_again_is_kept_close(files: dict[str, Checkpoint], parents: str) -> None:
    memory = LimitedMemory()
    weights = loaded(files, parents, memory)
    build(weights, Recipe.flat(0.3, base=0.5))
    assert weights.memory().parents_on_device == weights.memory().parents_on_host == 0
    for ratio in (0.4, 0.5):
        build(weights, Recipe.flat(ratio, base=0.5))
    report = weights.memory()
    close = report.parents_on_device if parents == "device" else report.parents_on_host
    unet = sum(files[name].tensors[key].size for key in weights.keys if key.startswith(UNET) for name in "AB")
    assert unet <= close < 1.3 * unet
    assert report.parents_on_device + report.parents_on_host == close
    assert memory.on["device"] == report.on_device - weights._arithmetic.scratch
    base = next(key for key in weights.keys if not key.startswith(UNET))
    assert not weights._parents.is_near(base)


def test_parents_on_disk_take_no_memory(files: dict[str, Checkpoint]) -> None:
    memory = LimitedMemory()
    weights = loaded(files, "disk", memory)
    for ratio in (0.3, 0.4, 0.5):
        build(weights, Recipe.flat(ratio, base=ratio))
    report = weights.memory()
    assert (report.parents_on_device, report.parents_on_host) == (0, 0)
    assert memory.peak["device"] == report.live + weights._parents.streamer.scratch
    assert memory.peak["host"] == weights._parents.streamer.scratch


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not tell what lies in memory")
@pytest.mark.parametrize("parents", RESIDENCES)
def test_no_page_of_the_files_stays_in_memory(files: dict[str, Checkpoint], parents: str, tmp_path: Path) -> None:
    for name, checkpoint in files.items():
        (tmp_path / name).write_bytes(checkpoint.path.read_bytes())
    weights = loaded({name: open_checkpoint(tmp_path / name) for name in files}, parents)
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio, base=ratio))
    for checkpoint in weights._checkpoints.values():
        assert resident_bytes(checkpoint.path) < 1 << 17  # the header, and what the system reads around it


def resident_bytes(path: Path) -> int:
    """Bytes of a mapped file's pages that lie in this process's memory."""
    found, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0] and ":" not in line.split()[0]:
            counts = line.endswith(str(path))
        elif counts and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


# ------------------------------------------------------------------------------------------------ many builds


@pytest.mark.parametrize("parents", RESIDENCES)
def test_many_builds_take_no_more_memory(files: dict[str, Checkpoint], parents: str) -> None:
    memory = LimitedMemory()
    weights = loaded(files, parents, memory)
    taken: list[dict[str, int]] = []
    for number in range(12):
        build(weights, Recipe.flat(0.1 + 0.05 * number, base=0.3))
        taken.append(dict(memory.on))
    assert all(one == taken[1] for one in taken[2:])
    fresh = loaded(files, "device")
    build(fresh, Recipe.flat(0.1 + 0.05 * 11, base=0.3))
    assert same(values(weights), values(fresh))


def test_an_interrupted_stream_is_built_again(files: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch) -> None:
    weights = loaded(files, "disk", LimitedMemory())
    build(weights, Recipe.flat(0.35))
    before, evaluate, calls = values(weights), weights._arithmetic.evaluate, 0

    def interrupted(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        evaluate(*given)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(weights._arithmetic, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(weights, Recipe.flat(0.9))
    build(weights, Recipe.flat(0.35))
    assert same(values(weights), before)


def test_a_file_that_was_changed_is_refused(tmp_path: Path, tiny_a: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(tiny_a.read_bytes())
    weights = loaded({"A": open_checkpoint(path)}, "disk")
    assert torch.equal(weights.parent("A", QUERY), open_checkpoint(tiny_a).read(QUERY))
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(CheckpointError, match=r"a\.safetensors: the file was changed while it was in use"):
        weights.parent("A", QUERY)


def test_a_file_that_was_deleted_can_still_be_read(tmp_path: Path, tiny_a: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(tiny_a.read_bytes())
    weights = loaded({"A": open_checkpoint(path)}, "disk")
    path.unlink()
    assert torch.equal(weights.parent("A", QUERY), open_checkpoint(tiny_a).read(QUERY))
