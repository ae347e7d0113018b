"""A mergekit configuration as a recipe: ``linear`` of whole models, one weight each.

mergekit divides the weights by their sum unless ``normalize`` is false. Weights by filter are another recipe for every
tensor, which has no words here; files of this project carry their recipe in a comment, which is read instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.foreign_recipes.values import Object, as_list, as_number, as_object
from engine.recipes.recipe import MergeStep, Recipe, Step
from engine.recipes.steps import PREVIOUS
from engine.supermerger.fields import Reading
from engine.supermerger.notes import family_note

MODEL_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXY"
"""What the models of a weighted sum are called, in their order."""

_CLOSE = 1e-6
_LONGEST = 2_000_000


def parsed_yaml(text: str, where: str) -> object:
    """Return a YAML value.

    Raises:
        RecipeError: it is no YAML, or beyond what anybody writes by hand.
    """
    import yaml

    if len(text) > _LONGEST:
        raise RecipeError(f"it has {len(text):,} letters", place=(Named(where),), remedy="name a smaller file")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError) as error:
        first = str(error).replace("\n", " ")
        raise RecipeError(f"this is not YAML ({first:.120})", place=(Named(where),), remedy="fetch it again") from None


def mergekit_recipe(text: str, family: FamilyName | None) -> Reading:
    """Return the recipe of a configuration.

    Args:
        text: YAML.
        family: of the models; None: SD1, with a note.

    Raises:
        RecipeError: it is no configuration, or one of another kind than ``linear`` of whole models.
    """
    return recipe_of_configuration(as_object(parsed_yaml(text, "the YAML file"), "the YAML file"), family)


def recipe_of_configuration(content: Object, family: FamilyName | None) -> Reading:
    """Return the recipe of a configuration that is parsed; see ``mergekit_recipe``."""
    method = content.get("merge_method")
    if method != "linear" or "slices" in content:
        raise RecipeError(
            f"merge_method is {method!r:.60}" if method != "linear" else "it merges slices of layers",
            place=(Named("mergekit"),),
            remedy="linear of whole models is read; recipes have no words for the others",
        )
    weights = _weights(content)
    chosen: FamilyName = family or "sd1"
    recipe = weighted_recipe(tuple(weights.values()), chosen)
    sources = dict(zip(MODEL_NAMES, weights, strict=False))
    notes = [family_note(chosen, "the configuration does")] if family is None else []
    notes.append("mergekit also merges what recipes never touch, such as position_ids, and writes its own dtype")
    return Reading(recipe=recipe, sources={name: sources[name] for name in recipe.models}, notes=tuple(notes))


def _weights(content: Object) -> Mapping[str, float]:
    """The weight of each model, divided by their sum where mergekit does that."""
    usual = as_object(content.get("parameters") or {}, "parameters")
    found: dict[str, float] = {}
    for place, one in enumerate(as_list(content.get("models"), "models")):
        model = as_object(one, f"models[{place + 1}]")
        own = as_object(model.get("parameters") or {}, f"models[{place + 1}].parameters")
        name = str(model.get("model"))
        found[name] = found.get(name, 0.0) + _weight(own.get("weight", usual.get("weight")), name)
    if not 1 <= len(found) <= len(MODEL_NAMES):
        raise RecipeError(f"it merges {len(found)} models", place=(Named("models"),), remedy="1 to 25 are read")
    total = sum(found.values())
    if usual.get("normalize", True):
        if abs(total) < _CLOSE:
            raise RecipeError("the weights sum to 0", place=(Named("models"),), remedy="they are divided by their sum")
        found = {name: weight / total for name, weight in found.items()}
    elif abs(total - 1) > _CLOSE:
        raise RecipeError(
            f"the weights sum to {total:g} and are not normalized",
            place=(Named("models"),),
            remedy="a recipe's weights sum to 1",
        )
    return found


def _weight(value: object, name: str) -> float:
    if isinstance(value, list):
        raise RecipeError(
            f"{name:.80} has weights by filter",
            place=(Named("models"),),
            remedy="one weight a model is read; give the checkpoint or the recipe file that the file was made from",
        )
    return as_number(value, f"weight of {name:.80}")


def weighted_recipe(weights: Sequence[float], family: FamilyName) -> Recipe:
    """Return the recipe of a weighted sum of whole models A, B, C, ..., whose weights sum to 1.

    Two models are one step, three a Triple sum, more a chain: after each step the sum so far is a mean of its models.

    Args:
        weights: of the models, in the order of their names.
        family: of the models.

    Raises:
        RecipeError: the first models of a chain sum to 0.
    """
    dialect = "head" if family == "sdxl" else "classic"
    steps: list[Step] = []
    if len(weights) == 3:
        steps.append(MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=weights[1], beta=weights[2]))
    elif len(weights) == 1:
        steps.append(MergeStep(models=("A", "A"), alpha=0.0))
    else:
        total = weights[0]
        for place, weight in enumerate(weights[1:], start=1):
            total += weight
            if abs(total) < _CLOSE:
                raise RecipeError("the first weights sum to 0", remedy="give the models in another order")
            before = "A" if place == 1 else PREVIOUS
            share = weight if len(weights) == 2 else weight / total
            steps.append(MergeStep(models=(before, MODEL_NAMES[place]), alpha=share))
    return Recipe(steps=tuple(steps), dialect=dialect, family=family, save="computed")


def text_of(value: Any) -> str:
    """Return a YAML scalar as a text; "" for anything else."""
    return str(cast("object", value)) if isinstance(value, str | int | float) else ""
