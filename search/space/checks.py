"""What can be wrong between the knobs of a space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.errors import EngineError, Problem, Problems
from engine.modes.registry import MERGE_MODES
from engine.recipes.blocks import Site
from engine.recipes.dialects import dialect_of
from engine.recipes.recipe import MergeStep, Recipe, SelfStep
from search.space.frame import RecipeFrame
from search.space.knob import SELF, Knob

CHOICES = ("mode", "calculation", "vae")
"""What a knob of words may choose."""


def problems_of(knobs: Sequence[Knob], frame: RecipeFrame) -> Iterator[Problem]:
    """Everything that is wrong."""
    names = [knob.name for knob in knobs]
    for name in (name for name in dict.fromkeys(names) if names.count(name) > 1):
        yield Problem(what=f"knob {name} is given {names.count(name)} times", remedy="keep one")
    yield from _block_problems(knobs, frame)
    fields = {f"adjust:{field}" for field in frame.fields}
    for knob in (knob for knob in knobs if knob.kind == "adjust" and knob.name not in fields):
        yield Problem(place=knob.place, what="is unknown", remedy=f"the fields are {' '.join(frame.fields)}")
    groups = {knob.group for knob in knobs if knob.group is not None}
    for name in sorted(groups & set(names)):
        yield Problem(what=f"group {name} has the name of a knob", remedy="call it something else")
    for knob in knobs:
        yield from _self_problems(knob, frame) if knob.kind == "self" else ()
        yield from _choice_problems(knob, frame) if knob.is_choice else ()
        yield from _tie_problems(knob, knobs) if knob.tied else ()


def _block_problems(knobs: Sequence[Knob], frame: RecipeFrame) -> Iterator[Problem]:
    blocks, expected = [knob.name for knob in knobs if knob.kind == "block"], frame.blocks
    seconds = [knob.name for knob in knobs if knob.kind == "second"]
    known = " ".join(expected)
    for name in (name for name in expected if name not in blocks):
        yield Problem(what=f"block {name} has no knob", remedy="freeze it if it must not move")
    for name in (name for name in blocks if name not in expected):
        yield Problem(what=f"block {name} is unknown", remedy=f"the blocks are {known}")
    unknown = [name for name in seconds if name.removeprefix("beta:") not in expected or not name.startswith("beta:")]
    for name in unknown:
        yield Problem(what=f"second ratio {name} is unknown", remedy=f"write beta: and one of {known}")


def _self_problems(knob: Knob, frame: RecipeFrame) -> Iterator[Problem]:
    smallest = knob.low if knob.frozen is None else knob.frozen
    if smallest <= 0:
        yield Problem(place=knob.place, what=f"{smallest:g} is no multiplier", remedy="stay above 0")
    yield from (problem.under(*knob.place) for problem in site_problems(knob.name.removeprefix(SELF), frame))


def site_problems(site: str, frame: RecipeFrame) -> list[Problem]:
    """Return why a site cannot have a multiplier; nothing if it can."""
    try:
        steps = (MergeStep(), SelfStep(factors=((Site.parse(site), 0.5),)))
        Recipe(steps=steps, family=frame.family, dialect=frame.dialect)
    except EngineError as error:
        return [replace(problem, place=()) for problem in error.problems]  # nobody wrote these steps
    return []


def _choice_problems(knob: Knob, frame: RecipeFrame) -> Iterator[Problem]:
    if knob.name not in CHOICES:
        yield Problem(place=knob.place, what="is an unknown choice", remedy=f"there are {', '.join(CHOICES)}")
        return
    if knob.name == "vae":
        return
    known = {"mode": tuple(MERGE_MODES), "calculation": dialect_of(frame.dialect).calculations}[knob.name]
    if unknown := [word for word in knob.options if word not in known]:
        remedy = f"there are {', '.join(known)}"
        yield from (Problem(place=knob.place, what=f"{word!r} is unknown", remedy=remedy) for word in unknown)
        return
    problems = Problems()
    with problems.collecting(*knob.place):
        for word in knob.options:
            frame.run(dict.fromkeys(frame.blocks, 0.5), {}, {knob.name: word})
    yield from problems.found


def _tie_problems(knob: Knob, knobs: Sequence[Knob]) -> Iterator[Problem]:
    leader = next((other for other in knobs if other.name == knob.tied), None)
    if leader is None:
        yield Problem(place=knob.place, what=f"is tied to {knob.tied}, which is no knob of this space")
    elif leader.tied or leader.kind != knob.kind or leader is knob:
        what = f"is tied to {leader.name}, which is tied itself or of another kind"
        yield Problem(place=knob.place, what=what, remedy="name another one")
