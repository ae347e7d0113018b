"""Parents on a device with little memory: what goes where, and what makes room."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.errors import EngineError
from engine.footprint.moments import CONTEXT_BYTES
from engine.footprint.plan import RAM_SPARE
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe
from tests.engine.live.limited_memory import LimitedMemory
from tests.engine.live.made_weights import CPU, QUERY, build, loaded, same, values

pytestmark = pytest.mark.usefixtures("small_pieces")


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
