"""What a probe costs, before it begins: recipes, pictures, and time on this machine."""

from __future__ import annotations

from pathlib import Path

from studies.amounts import time_text
from studies.probe.plan import ProbePlan


def cost_text(plan: ProbePlan, model: Path, device: str) -> str:
    """Return the cost of a plan in words, within a factor of two or so; nothing is rendered.

    Args:
        plan: what is rendered.
        model: one of the models.
        device: as a study names it.

    Raises:
        CheckpointError: the model cannot be read.
    """
    from engine.checkpoints.checkpoint import open_checkpoint
    from engine.devices import device_of
    from studies.preflight.estimate import picture_seconds

    used = device_of(device)
    seconds = picture_seconds(plan.shots[0], open_checkpoint(model).widths, used)
    designs = " and ".join(f"{len(recipes)} recipes {design.method}" for design, recipes in plan.designs)
    return (
        f"{len(plan.knobs)} knobs: {designs}, {len(plan.shots)} shots each: {plan.pictures} pictures, "
        f"about {time_text(plan.pictures * seconds)} on this {used.type}"
    )
