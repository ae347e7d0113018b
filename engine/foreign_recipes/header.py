"""The recipe in a checkpoint's header, whichever tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.foreign_recipes import chattiori, model_mixer
from engine.foreign_recipes.comfyui import comfyui_recipe, is_graph
from engine.foreign_recipes.values import parsed_json
from engine.recipes.dialects import Dialect
from engine.supermerger.fields import Reading
from engine.supermerger.metadata import MODELS_KEY, RECIPE_KEY, json_object, model_names, recipe_of_metadata
from engine.supermerger.notes import family_note

GRAPH_KEY = "prompt"
"""Where ComfyUI writes the node graph."""
MECHA_KEY = "mecha_recipe"
"""Where sd-mecha writes its recipe."""


def recipe_of_header(
    metadata: Mapping[str, str],
    dialect: Dialect | None,
    family: FamilyName | None,
    *,
    seed: int | None = None,
    extended: bool = False,
) -> Reading:
    """Return the recipe in the header of a merged file.

    Args:
        metadata: the header's texts.
        dialect: of SuperMerger, where its metadata do not say it; see ``recipe_of_metadata``.
        family: of the models; None: as far as the text shows it.
        seed: of SuperMerger's random rules.
        extended: SuperMerger's "use extended XL".

    Raises:
        RecipeError: there is none, it is damaged, or says what recipes have no words for.
    """
    if RECIPE_KEY not in metadata and GRAPH_KEY in metadata:
        content = parsed_json(metadata[GRAPH_KEY], GRAPH_KEY)
        if not is_graph(content):
            raise RecipeError("it is no node graph", place=(Named(GRAPH_KEY),), remedy="ComfyUI's API format is read")
        return comfyui_recipe(json_object(metadata[GRAPH_KEY], GRAPH_KEY), family)
    kind = json_object(metadata[RECIPE_KEY], RECIPE_KEY).get("type") if RECIPE_KEY in metadata else None
    if kind not in {model_mixer.TYPE, chattiori.TYPE}:
        return recipe_of_metadata(metadata, dialect, family, seed=seed, extended=extended)
    content = json_object(metadata[RECIPE_KEY], RECIPE_KEY)
    names = model_names(metadata.get(MODELS_KEY, "{}"))
    if kind == chattiori.TYPE:
        found = chattiori.chattiori_recipe(content, names, family)
    else:
        found = model_mixer.model_mixer_recipe(content, {name: sha for sha, name in names.items()}, family)
    if family is None:
        found = replace(found, notes=(family_note(found.recipe.family, "the metadata do"), *found.notes))
    return found
