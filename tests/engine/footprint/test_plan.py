"""What lies where: what is counted, what fits, and in which order things leave the device."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.architecture.widths import SD1, SDXL
from engine.footprint.demand import Demand, Form, Room
from engine.footprint.moments import CONTEXT_BYTES, LIBRARY_BYTES
from engine.footprint.options import MemoryOptions
from engine.footprint.plan import BUS_RATE, DISK_RATE, RAM_SPARE, MemoryPlan, choose
from engine.footprint.weights import PartBytes, live_bytes

GB, GIB = 10**9, 2**30
SDXL_UNET = live_bytes(SDXL, "fp16", "fp32").unet
STUDY = Demand(
    widths=SDXL, precision="fp16", width=1024, height=1024, pictures=4, parents=PartBytes(unet=2 * SDXL_UNET),
    scorers=1_710_000_000,
)  # fmt: skip
"""SDXL as most people search: two parents in fp16, BASE frozen, the usual encoder."""


def on_card(size: float, demand: Demand = STUDY, *, ram: int = 32 * GB, **asked: str) -> MemoryPlan:
    asking = replace(demand, asked=MemoryOptions(**asked))
    return choose(asking, Room(device=int(size * GIB), ram=ram, is_gpu=True))


@pytest.mark.parametrize("parents", ["host", "disk"])
def test_sdxl_takes_less_than_eight_and_a_half_gigabytes(parents: str) -> None:
    """By count of what lies on the device, at 1024 x 1024, one picture at once, without a scorer."""
    for demand in (STUDY, replace(STUDY, parents=PartBytes(unet=2 * SDXL_UNET, text=3 * GB, vae=300_000_000))):
        plan = on_card(8, replace(demand, scorers=0, pictures=1), parents=parents)
        assert plan.fits
        assert plan.on_device == 0
        assert SDXL_UNET < plan.counted_peak < 8.5 * GB
        with_scorers = on_card(8, replace(demand, pictures=1), parents=parents)
        assert with_scorers.fits
        assert with_scorers.counted_peak < 8.5 * GB


def test_every_moment_counts_what_lies_there() -> None:
    plan = on_card(24)
    live = live_bytes(SDXL, "fp16", "fp32")
    assert plan.residence == "device"
    assert set(plan.moments) == {"building", "rendering", "decoding", "scoring"}
    for lying in plan.moments.values():
        assert (lying["UNet"], lying["text encoders"], lying["VAE"]) == (live.unet, live.text, live.vae)
        assert (lying["CUDA"], lying["scorers"]) == (CONTEXT_BYTES, STUDY.scorers)
        assert lying["parents"] == STUDY.parents.total
    assert plan.peak == sum(plan.moments[plan.tightest].values())
    assert plan.tightest == "decoding"
    assert plan.counted_peak < plan.peak


def test_the_smaller_the_card_the_more_leaves_it() -> None:
    cards = [on_card(size) for size in (8, 10, 12, 16, 24)]
    assert all(plan.fits for plan in cards)
    assert [plan.form.strips for plan in cards] == [True, True, True, False, False]
    assert [plan.form.waits for plan in cards] == [True, True, False, False, False]
    near = [plan.on_device for plan in cards]
    assert near[-1] == STUDY.parents.total
    assert near[-2] < near[-1]
    assert all(plan.on_device + plan.on_host == STUDY.parents.total for plan in cards)
    assert [plan.bus_bytes for plan in cards[2:]] == sorted((plan.bus_bytes for plan in cards[2:]), reverse=True)
    assert cards[-1].bus_bytes == 0


def test_without_main_memory_the_parents_stay_in_their_files() -> None:
    little = on_card(12, ram=8 * GB)
    assert little.residence == "disk"
    assert little.fits
    assert sum(little.in_ram.values()) == 8 * GB - RAM_SPARE
    assert little.in_files > 0
    plenty = on_card(12)
    assert plenty.residence == "host"
    assert plenty.form == little.form
    assert little.bus_bytes == plenty.bus_bytes
    assert little.seconds == pytest.approx(plenty.seconds + little.in_files / DISK_RATE)
    assert plenty.seconds == plenty.bus_bytes / BUS_RATE


def test_what_was_asked_for_is_kept() -> None:
    assert on_card(24, parents="host").on_device == 0
    disk = on_card(24, parents="disk")
    assert (disk.residence, disk.in_files) == ("disk", STUDY.parents.total)
    assert on_card(24, encoders="host").form == Form(waits=True, vae="fp32", strips=True)
    assert on_card(24, vae_precision="bf16").form == Form(waits=False, vae="bf16", strips=True)
    assert not on_card(8, encoders="device").fits


def test_text_encoders_that_move_are_brought_both_ways() -> None:
    moving = replace(STUDY, parents=STUDY.parents + PartBytes(text=3 * GB))
    still, moved = on_card(8, encoders="host"), on_card(8, moving, encoders="host")
    live = live_bytes(SDXL, "fp16", "fp32")
    far = moved.on_host + moved.in_files - still.on_host - still.in_files
    assert moved.bus_bytes - still.bus_bytes == far + 2 * live.text


def test_batches_are_as_large_as_fits() -> None:
    small = replace(STUDY, widths=SD1, width=512, height=512, pictures=32, parents=PartBytes(), scorers=0)
    batches = [on_card(size, small).batch for size in (4, 6, 8)]
    assert batches == sorted(batches)
    assert batches[0] < 32
    larger = on_card(4, replace(small, pictures=batches[0] + 1))
    assert larger.batch == batches[0]
    assert on_card(80, small).batch == 32


def test_a_cpu_has_main_memory_alone() -> None:
    demand = replace(STUDY, widths=SD1, precision="fp32", width=512, height=512, parents=PartBytes(unet=3_400_000_000))
    plenty = choose(demand, Room(device=32 * GB, ram=32 * GB, is_gpu=False))
    assert (plenty.residence, plenty.bus_bytes, plenty.form.waits) == ("device", 0, False)
    assert plenty.in_ram == {}
    assert plenty.moments["building"]["libraries"] == LIBRARY_BYTES
    little = choose(demand, Room(device=12 * GB, ram=12 * GB, is_gpu=False))
    assert little.fits
    assert 0 < little.in_files < demand.parents.total
    assert little.residence == "disk"
    host = replace(demand, asked=MemoryOptions(parents="host"))
    assert choose(host, Room(device=32 * GB, ram=32 * GB, is_gpu=False)).in_files == 0


def test_where_nothing_fits_the_smallest_plan_is_told() -> None:
    plan = on_card(4)
    assert not plan.fits
    assert plan.form == Form(waits=True, vae="fp16", strips=True)
    assert plan.batch == 1
