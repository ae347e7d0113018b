"""What a probe costs, before it begins: recipes, pictures, and time on this machine."""

from __future__ import annotations

from studies.amounts import time_text
from studies.probe.plan import ProbePlan
from studies.studyfile.spec import StudySpec


def cost_text(spec: StudySpec, plan: ProbePlan) -> str:
    """Return the cost of a plan in words, within a factor of two or so; nothing is rendered.

    Raises:
        CheckpointError: model A cannot be read.
    """
    from engine.checkpoints.checkpoint import open_checkpoint
    from engine.devices import device_of
    from studies.preflight.estimate import picture_seconds

    device = device_of(spec.rendering.device)
    seconds = picture_seconds(plan.shots[0], open_checkpoint(spec.merge.models["A"]).widths, device)
    designs = " and ".join(f"{len(recipes)} recipes {design.method}" for design, recipes in plan.designs)
    return (
        f"{len(plan.knobs)} knobs: {designs}, {len(plan.shots)} shots each: {plan.pictures} pictures, "
        f"about {time_text(plan.pictures * seconds)} on this {device.type}"
    )
