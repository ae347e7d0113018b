"""The chain that a recipe ends: what the headers of its models say of how these were merged, in one recipe.

A checkpoint of a chain carries the whole of it, so that the checkpoints of earlier stages may be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from engine.checkpoints.header import read_header
from engine.errors import Named, RecipeError
from engine.merging.metadata import Origin, Parent, origin_of
from engine.recipes.chains import ChainModel, ChainStage, RecipeChain, continued
from engine.recipes.recipe import Recipe

CHAIN = "chain"
"""The fact, in a checkpoint's own entry, that holds the chain of which its recipe is the last stage."""

_REMEDY = "export it with nothing but its dtype asked for, and ask for the rest in the last stage"


def chain_of(recipe: Recipe, parents: Mapping[str, Parent]) -> RecipeChain:
    """Return the chain that a recipe ends.

    Args:
        recipe: the last stage.
        parents: its models, by name: files whose headers are read.

    Raises:
        CheckpointError: a header cannot be read.
    """
    made: dict[str, RecipeChain] = {}
    ends: list[str] = []
    for name in recipe.models:
        try:
            origin = origin_of(read_header(parents[name].path))
            if origin is None:
                continue
            if why := obstacle(origin, recipe):
                ends.append(f"the chain does not go on behind {name} ({parents[name].path.name}): {why}")
            else:
                made[name] = chain_of_origin(origin)
        except RecipeError as error:
            why = f"the recipe in its header cannot be read: {error}"
            ends.append(f"the chain does not go on behind {name} ({parents[name].path.name}): {why}")
    models = {name: ChainModel(file=one.path.name, sha256=one.sha256) for name, one in parents.items()}
    found = continued(recipe, models, made)
    return RecipeChain(
        recipe=found.recipe, models=found.models, stages=found.stages, ends=tuple(dict.fromkeys([*found.ends, *ends]))
    )


def obstacle(origin: Origin, recipe: Recipe) -> str:
    """Return why a checkpoint and a recipe that takes it are not the same bits in one recipe; "" where they are.

    Args:
        origin: what the checkpoint's own entry says.
        recipe: takes it.
    """
    before = origin.recipe
    for what in ("dialect", "family", "save"):
        if getattr(before, what) != getattr(recipe, what):
            return f"its {what} is {getattr(before, what)}, and that of the next stage is {getattr(recipe, what)}"
    if any(run.seed is not None for run in recipe.runs):
        return "the next stage draws random numbers in the order in which the keys of this file stand"
    return unsayable(origin)


def unsayable(origin: Origin) -> str:
    """Return what was asked for in an export that the recipe of the next stages cannot say; "" where nothing was."""
    before, facts = origin.recipe, origin.facts
    dtype = "computed" if before.save == "computed" or before.rules.webui else "fp16"
    asked = {
        "folded": facts.get("arithmetic") != "exact",
        f"in {facts.get('dtype')}, and its recipe saves as {dtype}": facts.get("dtype") != dtype,
        "pruned": bool(facts.get("pruned")),
        "with new position numbers": bool(facts.get("reset_clip_ids")),
        f"with the VAE {facts.get('vae')}": facts.get("vae") is not None,
    }
    found = [words for words, is_so in asked.items() if is_so]
    return f"it was exported {' and '.join(found)}, which a recipe cannot say; {_REMEDY}" if found else ""


def chain_of_origin(origin: Origin) -> RecipeChain:
    """Return the chain that a checkpoint's own entry carries, or its recipe alone.

    Raises:
        RecipeError: it cannot be read.
    """
    if CHAIN in origin.facts:
        return chain_in(origin.facts[CHAIN])
    models = {name: ChainModel(file=origin.names[name], sha256=sha) for name, sha in origin.models.items()}
    if lacking := [name for name in origin.recipe.models if not (name in models and models[name].sha256)]:
        raise RecipeError(f"the SHA-256 of {', '.join(lacking)} is not in it")
    return RecipeChain(recipe=origin.recipe, models=models)


def chain_entry(chain: RecipeChain) -> dict[str, Any]:
    """Return a chain as a value for JSON."""
    return {
        "recipe": chain.recipe.text,
        "recipe_key": chain.recipe.key,
        "models": {name: {"name": one.file, "sha256": one.sha256} for name, one in chain.models.items()},
        "stages": [
            {"name": one.name, "step": one.step, "file": one.file, "sha256": one.sha256} for one in chain.stages
        ],
        **({"ends": list(chain.ends)} if chain.ends else {}),
    }


def chain_in(entry: object) -> RecipeChain:
    """Read what ``chain_entry`` wrote.

    Raises:
        RecipeError: it cannot be read, or was changed.
    """
    try:
        content = cast("dict[str, Any]", entry)
        chain = RecipeChain(
            recipe=Recipe.parse(str(content["recipe"])),
            models={
                str(name): ChainModel(file=str(one["name"]), sha256=str(one["sha256"]))
                for name, one in content["models"].items()
            },
            stages=tuple(
                ChainStage(
                    name=str(one["name"]), step=int(one["step"]), file=str(one["file"]), sha256=str(one["sha256"])
                )
                for one in content["stages"]
            ),
            ends=tuple(map(str, content.get("ends", ()))),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecipeError("it cannot be read", place=(Named(CHAIN),), remedy="export the checkpoint again") from error
    names = dict(enumerate((step.name for step in chain.recipe.steps), start=1))
    is_whole = {*chain.recipe.models} <= {*chain.models} and all(names.get(s.step) == s.name for s in chain.stages)
    if content.get("recipe_key") != chain.recipe.key or not is_whole:
        raise RecipeError("it was changed by hand", place=(Named(CHAIN),), remedy="export the checkpoint again")
    return chain
