"""What can be wrong between the knobs of a space."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import EngineError
from engine.recipes.blocks import Site
from engine.recipes.dialects import MODES, dialect_of
from engine.recipes.recipe import MergeStep, Recipe, SelfStep
from search.errors import SearchError
from search.space.frame import RecipeFrame
from search.space.knob import SELF, Knob

CHOICES = ("mode", "calculation", "vae")
"""What a knob of words may choose."""


def mistakes_of(knobs: Sequence[Knob], frame: RecipeFrame) -> list[str]:
    """Return a sentence for every mistake."""
    names = [knob.name for knob in knobs]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    mistakes = [f"knob {name} is given {names.count(name)} times; keep one" for name in twice]
    mistakes += _block_mistakes(knobs, frame)
    fields = {f"adjust:{field}" for field in frame.fields}
    strays = [knob.name for knob in knobs if knob.kind == "adjust" and knob.name not in fields]
    mistakes += [f"{name} is unknown; the fields are {' '.join(frame.fields)}" for name in strays]
    groups = {knob.group for knob in knobs if knob.group is not None}
    mistakes += [f"group {name} has the name of a knob; call it something else" for name in sorted(groups & set(names))]
    for knob in knobs:
        mistakes += _self_mistakes(knob, frame) if knob.kind == "self" else []
        mistakes += _choice_mistakes(knob, frame) if knob.is_choice else []
        mistakes += _tie_mistakes(knob, knobs) if knob.tied else []
    return mistakes


def _block_mistakes(knobs: Sequence[Knob], frame: RecipeFrame) -> list[str]:
    blocks, expected = [knob.name for knob in knobs if knob.kind == "block"], frame.blocks
    seconds = [knob.name for knob in knobs if knob.kind == "second"]
    known = " ".join(expected)
    mistakes = [f"block {name} has no knob; freeze it if it must not move" for name in expected if name not in blocks]
    mistakes += [f"block {name} is unknown; the blocks are {known}" for name in blocks if name not in expected]
    unknown = [name for name in seconds if name.removeprefix("beta:") not in expected or not name.startswith("beta:")]
    return mistakes + [f"second ratio {name} is unknown; write beta: and one of {known}" for name in unknown]


def _self_mistakes(knob: Knob, frame: RecipeFrame) -> list[str]:
    smallest = knob.low if knob.frozen is None else knob.frozen
    mistakes = [f"{knob.name}: {smallest:g} is no multiplier; stay above 0"] if smallest <= 0 else []
    mistake = site_mistake(knob.name.removeprefix(SELF), frame)
    return mistakes + ([f"{knob.name}: {mistake}"] if mistake else [])


def site_mistake(site: str, frame: RecipeFrame) -> str:
    """Return why a site cannot have a multiplier, or nothing."""
    try:
        steps = (MergeStep(), SelfStep(factors=((Site.parse(site), 0.5),)))
        Recipe(steps=steps, family=frame.family, dialect=frame.dialect)
    except EngineError as error:
        return str(error)
    return ""


def _choice_mistakes(knob: Knob, frame: RecipeFrame) -> list[str]:
    if knob.name not in CHOICES:
        return [f"choice {knob.name} is unknown; there are {', '.join(CHOICES)}"]
    if knob.name == "vae":
        return []
    known = {"mode": tuple(MODES), "calculation": dialect_of(frame.dialect).calculations}[knob.name]
    mistakes = [
        f"{knob.name} {word!r} is unknown; there are {', '.join(known)}" for word in knob.options if word not in known
    ]
    try:
        for word in knob.options if not mistakes else ():
            frame.run(dict.fromkeys(frame.blocks, 0.5), {}, {knob.name: word})
    except (EngineError, SearchError) as error:
        mistakes.append(f"{knob.name}: {error}")
    return mistakes


def _tie_mistakes(knob: Knob, knobs: Sequence[Knob]) -> list[str]:
    leader = next((other for other in knobs if other.name == knob.tied), None)
    if leader is None:
        return [f"{knob.name} is tied to {knob.tied}, which is no knob of this space"]
    if leader.tied or leader.kind != knob.kind or leader is knob:
        return [f"{knob.name} is tied to {leader.name}, which is tied itself or of another kind; name another one"]
    return []
