"""What lies where in a night, and whether it fits: the plan of the engine for a study, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.devices import device_of, worker_devices
from engine.errors import Named
from engine.footprint.demand import Room
from engine.footprint.machine import available_ram, free_memory, total_memory, total_ram
from engine.footprint.moments import CONTEXT_BYTES
from engine.footprint.plan import choose
from studies.amounts import CARD_GB, size_text
from studies.inputs.demand import demand_of
from studies.preflight.findings import Finding
from studies.preflight.memory_text import holdings_text, plan_text, ways_out
from studies.studyfile.spec import StudySpec

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint
    from scorers.panel.settings import PanelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a study is to run, when that is not simply this machine's device alone."""

    vram: float | None = None
    """The size of a graphics card in GB, as in its name; None: the device of the study file on this machine."""
    workers: int = 1
    """Processes that run the study at once; they share devices and main memory."""


ALONE = Surroundings()
"""One worker on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The memory that one worker has: what is free now, and what there would be if nothing else ran."""

    free: Room
    whole: Room
    name: str
    """Of the device, for people."""
    sharing: int
    """Workers on one device."""


def memory_findings(
    spec: StudySpec, models: Mapping[str, Checkpoint], around: Surroundings, settings: PanelSettings
) -> Iterator[Finding]:
    """Yield what memory a night takes, what lies where, and what it costs; an error where it does not fit.

    Args:
        spec: the study.
        models: by letter, opened.
        around: the card and the workers that are meant.
        settings: of the panel, whose encoders take memory.
    """
    machine = machine_of(spec, around)
    demand = demand_of(spec, models, settings, is_gpu=machine.free.is_gpu)
    free, whole = choose(demand, machine.free), choose(demand, machine.whole)
    where = (Named("memory"), Named(machine.name))
    enlarged = any(shot.hires for shot in spec.shots.every)
    shared = f" for each of {machine.sharing} workers" if machine.sharing > 1 else ""
    if not whole.fits:
        place = "the GPU" if whole.room.is_gpu else "this machine"
        total = f"{place} has {size_text(whole.room.device)}{shared}"
        yield Finding.of(
            "error", where, f"about {size_text(whole.peak)}, and {total}", ways_out(demand, whole, enlarged=enlarged)
        )
        return
    about = f"about {size_text(free.peak if free.fits else whole.peak)}"
    what = f"{about}; {size_text(free.room.device)} are free{shared}"
    if not free.fits:
        yield Finding.of("warning", where, what, "close other programs, or make smaller pictures")
        return
    yield Finding.of("note", where, f"{what}; most while {free.tightest}: {holdings_text(free)}")
    yield Finding.of("note", (Named("memory plan"),), plan_text(free))
    if spec.rendering.speed == "compile":
        what = "the first pictures of each size take a minute or more longer, while the UNet is compiled for them"
        yield Finding.of("note", ("device", "speed"), what)


def machine_of(spec: StudySpec, around: Surroundings) -> Machine:
    """Return the memory that each worker has.

    Raises:
        EngineError: there is no such device here, and no card was named.
    """
    ram = available_ram() // around.workers, total_ram() // around.workers
    if around.vram is not None:
        size = int(around.vram * CARD_GB) // around.workers
        rooms = [Room(device=size, ram=one, is_gpu=True) for one in ram]
        name = f"a card of {around.vram:g} GB ({around.vram:g} GiB, {size_text(around.vram * CARD_GB)})"
        return Machine(free=rooms[0], whole=rooms[1], name=name, sharing=around.workers)
    device = device_of(spec.rendering.device)
    if device.type == "cpu":
        rooms = [Room(device=one, ram=one, is_gpu=False) for one in ram]
        return Machine(free=rooms[0], whole=rooms[1], name="cpu", sharing=around.workers)
    names = worker_devices(spec.rendering.device, around.workers)
    sharing = max(names.count(name) for name in names)
    total = total_memory(device)
    free = min(free_memory(device) + CONTEXT_BYTES, total)  # this process has a context there too
    rooms = [Room(device=one // sharing, ram=other, is_gpu=True) for one, other in zip((free, total), ram, strict=True)]
    return Machine(free=rooms[0], whole=rooms[1], name=str(device), sharing=sharing)
