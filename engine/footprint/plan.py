"""What lies where while a study runs, and how much of it fits: worked out from counted bytes, without a device.

A trial has moments: the model is built, the UNet works, the VAE works, scorers look. At each of them other things lie
on the device. What is short of room leaves it in the order that changes least: first parents lie in main memory in part
or whole; then the VAE works in strips, which gives the same pictures up to rounding; then text encoders, VAE and the
scorers' encoders wait in main memory while others are at work; then the VAE works in half precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.footprint.demand import USUAL_BATCH, Demand, Form, Room
from engine.footprint.moments import (
    ALWAYS,
    ASSUMED,
    CAN_WAIT,
    LIBRARY_BYTES,
    PARENTS,
    STREAM_BYTES,
    decoded_at_once,
    live_of,
    moments_of,
)
from engine.footprint.options import AUTO, Residence

RAM_SPARE = 2_000_000_000
"""Main memory that is left free for everything else that runs."""
BUS_RATE = 12e9
"""Bytes a second from main memory to a GPU: PCIe 3.0 with 16 lanes, or 4.0 with 8. Assumed."""
DISK_RATE = 2e9
"""Bytes a second from a disk that lies on PCIe. Assumed; what was read before may still be in main memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """What lies where.

    Attributes:
        demand: What was asked for.
        room: The memory there is.
        form: How the model waits and works.
        batch: Pictures that the UNet makes at once.
        decoded: Pictures that the VAE works on at once.
        on_device: Bytes of the moved parents that lie on the device.
        on_host: Bytes of them in main memory.
        in_files: Bytes of them that are read from the files for every trial.
    """

    demand: Demand
    room: Room
    form: Form
    batch: int
    decoded: int
    on_device: int
    on_host: int
    in_files: int

    @property
    def residence(self) -> Residence:
        """Where the parents lie; where some lie on the device, the place of the others."""
        if self.in_files:
            return "disk"
        return "host" if self.on_host else "device"

    @property
    def first(self) -> Residence:
        """Where parents go first; what finds no room there goes on to the next."""
        if self.on_device or not self.demand.parents.total:
            return "device"
        return "host" if self.on_host else "disk"

    @property
    def spare(self) -> int:
        """Bytes of the device that have to stay free beside parents and all that is always there."""
        there = ALWAYS if self.form.waits else ALWAYS | CAN_WAIT
        return self.peak - sum(size for name, size in self.moments["building"].items() if name in there)

    @property
    def moments(self) -> dict[str, dict[str, int]]:
        """What lies on the device, in bytes by name, at each moment of a trial, by the name of the moment."""
        named = moments_of(self.demand, self.form, is_gpu=self.room.is_gpu, batch=self.batch, decoded=self.decoded)
        return {name: lying | {PARENTS: self.on_device} for name, lying in named}

    @property
    def tightest(self) -> str:
        """The name of the moment at which most lies on the device."""
        moments = self.moments
        return max(moments, key=lambda name: sum(moments[name].values()))

    @property
    def peak(self) -> int:
        """Bytes on the device at its tightest moment."""
        return sum(self.moments[self.tightest].values())

    @property
    def counted_peak(self) -> int:
        """The same without what is assumed and not counted: what libraries take, and gaps of the allocator."""
        return max(sum(size for name, size in one.items() if name not in ASSUMED) for one in self.moments.values())

    @property
    def in_ram(self) -> dict[str, int]:
        """What lies in main memory beside a GPU, in bytes by name; on a CPU all lies there, as ``moments`` has it."""
        if not self.room.is_gpu:
            return {}
        return {"parents": self.on_host} | _beside_parents(self.demand, self.form)

    @property
    def fits(self) -> bool:
        """Whether there is room for all of it."""
        return self.peak <= self.room.device and sum(self.in_ram.values()) <= self.room.ram

    @property
    def bus_bytes(self) -> int:
        """Bytes that a trial brings to the device at most: one that moves every knob."""
        if not self.room.is_gpu:
            return 0
        waiting = 0
        if self.form.waits:
            live = live_of(self.demand)
            waiting = live.vae + self.demand.scorers + 2 * live.text * self.demand.moves_text
        return self.on_host + self.in_files + waiting

    @property
    def seconds(self) -> float:
        """What moving them takes, at the assumed rates."""
        return self.bus_bytes / BUS_RATE + self.in_files / DISK_RATE


def choose(demand: Demand, room: Room) -> MemoryPlan:
    """Return the plan that a night follows; where nothing fits, the smallest there is.

    Args:
        demand: What the study asks for.
        room: The memory there is.
    """
    least = [_plan(demand, room, form, 0) for form in _forms(demand, room)]
    plan = next((one for one in least if one.fits), least[-1])
    usual = 1 if demand.asked.parents == "device" else USUAL_BATCH
    kept = _with_largest_batch(plan, min(demand.pictures, usual))
    left = room.device - kept.peak - (0 if room.is_gpu else RAM_SPARE)
    return _with_largest_batch(_plan(demand, room, plan.form, left), demand.pictures)


def _plan(demand: Demand, room: Room, form: Form, left: int) -> MemoryPlan:
    """The plan for one picture at once, where the device has some bytes left for parents."""
    spare = room.ram - RAM_SPARE - sum(_beside_parents(demand, form).values())
    near, on_host, in_files = _parents(demand, room, left, max(spare, 0))
    return MemoryPlan(
        demand=demand, room=room, form=form, batch=1, decoded=1, on_device=near, on_host=on_host, in_files=in_files
    )


def _beside_parents(demand: Demand, form: Form) -> dict[str, int]:
    """What lies in main memory beside a GPU, but for the parents."""
    live = live_of(demand)
    waiting = live.text + live.vae + demand.scorers if form.waits else 0
    return {"libraries": LIBRARY_BYTES, "waiting": waiting, "scratch": STREAM_BYTES * demand.parent_count}


def _parents(demand: Demand, room: Room, left: int, spare: int) -> tuple[int, int, int]:
    """The bytes of parents on the device, in main memory beside it, and in the files, where there is so much room."""
    whole, asked = demand.parents.total, demand.asked.parents
    if not room.is_gpu and asked == "host":  # its main memory is the device
        return whole, 0, 0
    near = min(max(left, 0), whole) if asked in (AUTO, "device") else 0
    on_host = min(whole - near, spare) if room.is_gpu and asked != "disk" else 0
    return near, on_host, whole - near - on_host


def _forms(demand: Demand, room: Room) -> Iterator[Form]:
    """The forms in the order in which they are tried, from the one that takes most memory."""
    asked = demand.asked
    waits = (False, True) if asked.encoders == AUTO else (asked.encoders == "host",)
    waits = waits if room.is_gpu else (False,)
    first = "fp32" if asked.vae_precision == AUTO else asked.vae_precision
    if first == "fp32" and not waits[0]:
        yield Form(waits=False, vae=first, strips=False)
    for one in waits:
        yield Form(waits=one, vae=first, strips=True)  # as always where the VAE waits, or in half precision
    if asked.vae_precision == AUTO:
        yield Form(waits=waits[-1], vae="fp16", strips=True)


def _with_largest_batch(plan: MemoryPlan, most: int) -> MemoryPlan:
    """The plan with as many pictures at once as fit, and one where none fits."""
    demand = plan.demand
    for batch in range(most, 0, -1):
        for decoded in {decoded_at_once(demand.width, demand.height, batch): None, 1: None}:
            if (larger := replace(plan, batch=batch, decoded=decoded)).fits:
                return larger
    return plan
