from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.errors import CheckpointError, EngineError
from engine.footprint.moments import CONTEXT_BYTES
from engine.footprint.options import RESIDENCES
from engine.footprint.plan import RAM_SPARE
from engine.live import streaming
from engine.live.allocation import Memory
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from tests.engine.live.limited_memory import LimitedMemory

CPU = torch.device("cpu")
UNET = "model.diffusion_model."
QUERY = f"{UNET}output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
FLOATS = (torch.float16, torch.bfloat16, torch.float32)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that tiny models have many of."""
    monkeypatch.setattr(streaming, "CPU_PIECE", 1 << 15)
    monkeypatch.setattr(streaming, "GPU_PIECE", 1 << 15)


@pytest.fixture(scope="module")
def files(tiny_a: Path, tiny_b: Path) -> dict[str, Checkpoint]:
    """A in fp16; B with a dtype for every tensor in turn."""
    mixed = {
        key: value.to(FLOATS[number % 3]) if value.is_floating_point() else value
        for number, (key, value) in enumerate(sorted(load_file(tiny_b).items()))
    }
    path = tiny_b.parent / "mixed.safetensors"
    save_file(mixed, path, metadata={"format": "pt"})
    return {"A": open_checkpoint(tiny_a), "B": open_checkpoint(path)}


def loaded(files: Mapping[str, Checkpoint], parents: str = "auto", memory: Memory | None = None) -> LiveWeights:
    fresh = {name: open_checkpoint(checkpoint.path) for name, checkpoint in files.items()}
    live = LiveModel.empty(fresh["A"].widths)
    return LiveWeights.load(live, fresh, device=CPU, dtype=torch.float16, parents=parents, memory=memory)


def build(weights: LiveWeights, recipe: Recipe) -> None:
    weights.build(weights.plan(recipe))


def values(weights: LiveWeights) -> dict[str, Tensor]:
    return {key: weights.read(key).clone() for key in weights.keys}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


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


# ------------------------------------------------------------------------------------------------ too little memory


def needed_on_device(files: dict[str, Checkpoint]) -> tuple[int, int]:
    """Bytes of the live model with its scratch, and of all parents."""
    memory = LimitedMemory()
    weights = loaded(files, "device", memory)
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio, base=ratio))
    report = weights.memory()
    return report.live + weights._parents.streamer.scratch, report.parents_on_device


def test_what_does_not_fit_goes_to_the_next_residence(
    files: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.live.parents.STRETCH", 1 << 18)
    live, parents = needed_on_device(files)
    memory = LimitedMemory(device=live + parents // 2, host=parents // 4)
    weights = loaded(files, "device", memory)
    for ratio in (0.3, 0.4, 0.5):
        build(weights, Recipe.flat(ratio, base=ratio))
    report = weights.memory()
    assert parents // 4 < report.parents_on_device <= parents // 2
    assert report.parents_on_host > 0
    assert report.parents_on_device + report.parents_on_host < parents  # and the rest in its files
    assert weights.residence == "disk"
    assert [record.message.count("do not all fit") for record in caplog.records] == [1, 1]
    fresh = loaded(files, "device")
    build(fresh, Recipe.flat(0.5, base=0.5))
    assert same(values(weights), values(fresh))


def test_a_model_that_does_not_fit_is_refused(files: dict[str, Checkpoint]) -> None:
    with pytest.raises(
        EngineError, match=r"the model takes 0\.0 GB of cpu, and 0\.0 GB are free; close other programs"
    ):
        loaded(files, "device", LimitedMemory(device=1_000_000))


def test_pieces_become_smaller_where_memory_is_short(files: dict[str, Checkpoint]) -> None:
    live, _ = needed_on_device(files)
    weights = loaded(files, "disk", memory := LimitedMemory())
    memory.device_limit = memory.on["device"] + (live - memory.on["device"]) // 2
    build(weights, Recipe.flat(0.3, base=0.3))
    assert weights._parents.streamer.piece == 1 << 14
    fresh = loaded(files, "device")
    build(fresh, Recipe.flat(0.3, base=0.3))
    assert same(values(weights), values(fresh))


def test_no_memory_at_all_for_a_build_is_one_sentence(files: dict[str, Checkpoint]) -> None:
    weights = loaded(files, "disk", memory := LimitedMemory())
    memory.device_limit = memory.on["device"]
    with pytest.raises(EngineError, match="too little memory to build a recipe; close other programs"):
        build(weights, Recipe.flat(0.3))
    memory.device_limit = 1 << 40
    build(weights, Recipe.flat(0.3))


def test_arithmetic_that_runs_out_takes_the_parents_memory(
    files: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that runs out in its middle is finished with the parents where there is more memory."""
    weights = loaded(files, "device", LimitedMemory())
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio, base=ratio))
    evaluate, calls = weights._arithmetic.evaluate_all, 0

    def runs_out(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise torch.OutOfMemoryError("simulated")
        evaluate(*given)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(weights._arithmetic, "evaluate_all", runs_out)
    report = weights.build(weights.plan(Recipe.flat(0.6, base=0.6)))
    assert weights.residence == "host"
    assert weights.memory().parents_on_device == 0
    assert report.elements == sum(weights.read(key).numel() for key in weights.keys)
    fresh = loaded(files, "device")
    build(fresh, Recipe.flat(0.6, base=0.6))
    assert same(values(weights), values(fresh))


def test_rendering_can_have_the_parents_memory(files: dict[str, Checkpoint]) -> None:
    memory = LimitedMemory()
    weights = loaded(files, "device", memory)
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio, base=ratio))
    address, taken = weights.read(QUERY).data_ptr(), memory.on["device"]
    assert weights.make_room()
    assert memory.on["device"] < taken
    assert not weights.make_room()  # no more to give
    build(weights, Recipe.flat(0.5, base=0.5))
    assert weights.memory().parents_on_host > 0
    assert weights.read(QUERY).data_ptr() == address
    fresh = loaded(files, "device")
    build(fresh, Recipe.flat(0.5, base=0.5))
    assert same(values(weights), values(fresh))


GB = 1_000_000_000


@pytest.mark.parametrize(("device", "host", "expected"), [(4, 4, "device"), (0.4, 4, "host"), (0.4, 2, "disk")])
def test_auto_follows_the_plan(files: dict[str, Checkpoint], device: float, host: float, expected: str) -> None:
    """Usual pictures of these tiny models take some hundreds of megabytes; 2 GB of main memory stay free."""
    memory = LimitedMemory(device=int(device * GB), host=int(host * GB))
    weights = loaded(files, "auto", memory)
    plan = weights.planned
    assert plan is not None
    assert plan.first == weights.residence == expected
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio))
    found = weights.memory()
    near = {"device": found.parents_on_device, "host": found.parents_on_host}
    assert [place for place, size in near.items() if size] == [expected] * (expected != "disk")


def test_auto_asks_again_when_parents_come_close(files: dict[str, Checkpoint]) -> None:
    memory = LimitedMemory()
    weights = loaded(files, "auto", memory)
    assert weights.residence == "device"
    build(weights, Recipe.flat(0.3))
    assert weights.planned is not None
    memory.device_limit = memory.on["device"] + weights.planned.spare  # a rendering has taken what was free
    build(weights, Recipe.flat(0.4))
    assert weights.residence == "host"
    assert weights.memory().parents_on_device == 0


def test_auto_leaves_room_for_rendering_and_everything_else(
    files: dict[str, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.live.parents.STRETCH", 1 << 18)
    live, parents = needed_on_device(files)
    memory = LimitedMemory()
    weights = loaded(files, "auto", memory)
    assert weights.residence == "device"
    assert weights.planned is not None
    room = weights.planned.spare
    memory.device_limit, memory.host_limit = live + room + parents // 2, RAM_SPARE + parents // 4
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio, base=ratio))
    assert weights.residence == "disk"
    assert memory.free_on_device() >= room
    assert memory.free_on_host() >= RAM_SPARE
    assert parents // 4 < weights.memory().parents_on_device <= parents // 2
    assert 0 < weights.memory().parents_on_host <= parents // 4


def test_larger_pictures_leave_less_room_for_parents(files: dict[str, Checkpoint]) -> None:
    memory = LimitedMemory(device=2 * GB)
    usual = loaded(files, "auto", memory).planned
    assert usual is not None
    large = replace(usual.demand, width=1536, height=1536)
    fresh = {name: open_checkpoint(checkpoint.path) for name, checkpoint in files.items()}
    live = LiveModel.empty(fresh["A"].widths)
    memory = LimitedMemory(device=2 * GB)
    weights = LiveWeights.load(live, fresh, device=CPU, dtype=torch.float16, expects=large, memory=memory)
    assert weights.planned is not None
    assert weights.planned.spare > usual.spare
    sharing = replace(usual.demand, device_sharers=4)
    memory = LimitedMemory(device=2 * GB)
    memory.total_on_device = lambda: 2 * GB
    weights = LiveWeights.load(
        LiveModel.empty(fresh["A"].widths), fresh, device=CPU, dtype=torch.float16, expects=sharing, memory=memory
    )
    assert weights.planned is not None
    assert weights.planned.room.device == 2 * GB // 4 + CONTEXT_BYTES


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
