"""What a probe costs, before it begins: recipes, pictures, and time on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import Named, ProblemError, counted
from studies.after_recipe.probe.designs.plan import ProbePlan, chunked, planned_probe
from studies.amounts import rest_text, time_text
from studies.inputs.shot_files import ShotFiles
from studies.preflight.findings import Finding
from studies.store.kept_sets import KeptSets
from studies.studyfile.spec import StudySpec


def plan_text(plan: ProbePlan) -> str:
    """Return what is rendered, in words."""
    designs = " and ".join(f"{len(recipes)} recipes {design.method}" for design, recipes in plan.designs)
    pictures = counted(plan.pictures, "picture")
    return f"{counted(len(plan.knobs), 'knob')}: {designs}, {counted(len(plan.shots), 'shot')} each: {pictures}"


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
    return f"{plan_text(plan)}, about {time_text(plan.pictures * seconds)} on this {used.type}"


def probe_costs(spec: StudySpec, picture_s: float) -> Iterator[Finding]:
    """Yield what a probe of a study with the usual options costs; nothing where it cannot be probed so.

    Args:
        spec: the study.
        picture_s: seconds of a picture.
    """
    try:
        plan = planned_probe(spec)
    except ProblemError:
        return  # `recipe-search probe` says why, and what else can be probed
    kept = _kept(plan, KeptSets(spec.storage.folder, ShotFiles(spec.rendering, spec.shots).words))
    took = rest_text(kept, [(plan.pictures - kept) * picture_s])
    text = f"`recipe-search probe`: {plan_text(plan)}, {took}"
    yield Finding.of("note", (Named("probe"),), text)


def _kept(plan: ProbePlan, sets: KeptSets) -> int:
    """How many pictures of a plan are kept."""
    found = sum(sets.pictures(one.candidate, some) for one in plan.recipes for some in chunked(plan.shots))
    return found + sum(sets.pictures(plan.still, some) for some in chunked(plan.twins))
