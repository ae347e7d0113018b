"""The plan of memory in words: what lies where, what it costs, and the ways out where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.errors import counted
from engine.footprint.demand import Demand
from engine.footprint.moments import WORKING
from engine.footprint.options import ANYTHING
from engine.footprint.plan import BUS_RATE, DISK_RATE, MemoryPlan, choose
from studies.amounts import size_text

SIDE_STEP = 8
"""Sides of pictures are multiples of so many pixels."""
LEAST_SIDE = 256
"""The least shorter side in pixels that is suggested."""


def plan_text(plan: MemoryPlan) -> str:
    """Return what lies where and what it costs, for people: a sentence of parts."""
    parts = [_parents_text(plan), _form_text(plan)]
    many = f"{counted(plan.batch, 'picture')} at once" if plan.batch > 1 else "one picture at once"
    return "; ".join([*filter(None, parts), many, cost_text(plan)])


def _parents_text(plan: MemoryPlan) -> str:
    """Where the parents lie, in the words of study files."""
    places = {"on the device": plan.on_device, "in main memory": plan.on_host, "in their files": plan.in_files}
    if not plan.room.is_gpu:
        places = {"in main memory": plan.on_device, "in their files": plan.in_files}
    lying = [f"{size_text(size)} {place}" for place, size in places.items() if size]
    return f'parents = "{plan.residence}" ({", ".join(lying) or "no knob moves any"})'


def _form_text(plan: MemoryPlan) -> str:
    waiting = "text encoders, VAE and scorers wait in main memory" if plan.form.waits else ""
    vae = f"VAE in {plan.form.vae}{' in strips' if plan.form.strips else ''}"
    return "; ".join(filter(None, (waiting, vae)))


def cost_text(plan: MemoryPlan) -> str:
    """Return what moving memory costs a trial, for people."""
    if not plan.bus_bytes and not plan.in_files:
        return "a trial moves nothing"
    rates = f"{BUS_RATE / 1e9:g} GB/s over PCIe" if plan.bus_bytes else ""
    if plan.in_files:
        rates = ", ".join(filter(None, (rates, f"{DISK_RATE / 1e9:g} GB/s from disk")))
    moved = plan.bus_bytes or plan.in_files
    return f"a trial moves {size_text(moved)} at most, about {plan.seconds:.1f} s at {rates}"


def holdings_text(plan: MemoryPlan) -> str:
    """Return what lies on the device at the tightest moment, the largest first, for people."""
    lying = sorted(plan.moments[plan.tightest].items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size_text(size)}" for name, size in lying if size >= 0.02 * plan.peak)


def ways_out(demand: Demand, plan: MemoryPlan, *, enlarged: bool) -> str:
    """Return what to write so that a study fits into memory, for people.

    Args:
        demand: of the study.
        plan: its plan, which does not fit.
        enlarged: whether hires fix makes the pictures larger than the study file has them.
    """
    room, texts = plan.room, list[str]()
    single = [text for text, changed in _changes(demand, is_gpu=room.is_gpu) if choose(changed, room).fits]
    single += _smaller(demand, plan, enlarged=enlarged)
    if single:
        return "; or ".join(single)
    while step := next(_changes(demand, is_gpu=room.is_gpu), None):
        text, demand = step
        texts.append(text)
        if choose(demand, room).fits:
            return f"{', and '.join(texts)}, together"
        if smaller := _smaller(demand, plan, enlarged=enlarged):
            return f"{', and '.join([*texts, *smaller])}, together"
    standing = sum(size for name, size in plan.moments[plan.tightest].items() if name != WORKING)
    return f"models and encoders alone take {size_text(standing)}: take a device with more memory"


def _changes(demand: Demand, *, is_gpu: bool) -> Iterator[tuple[str, Demand]]:
    """What a user can change beside the pictures, in words, and the demand then."""
    if demand.asked != ANYTHING:
        text = "leave parents, encoders and vae_precision under [device] at auto"
        yield text, replace(demand, asked=ANYTHING)
    if is_gpu and demand.precision == "fp32":
        yield 'write [device] precision = "fp16"', replace(demand, precision="fp16")
    if demand.scorers:
        yield "choose smaller encoders under [scorers]", replace(demand, scorers=0)


def _smaller(demand: Demand, plan: MemoryPlan, *, enlarged: bool) -> list[str]:
    """The largest pictures of about the same proportions that fit, in words; empty where none do."""
    short = min(demand.width, demand.height)
    for side in range(short - SIDE_STEP, LEAST_SIDE - 1, -SIDE_STEP):
        width, height = (round(one * side / short / SIDE_STEP) * SIDE_STEP for one in (demand.width, demand.height))
        if choose(replace(demand, width=width, height=height), plan.room).fits:
            size = f"pictures of {width} x {height}" if enlarged else f"width = {width}, height = {height}"
            return [f"{'make' if enlarged else 'write [render]'} {size} at most"]
    return []
