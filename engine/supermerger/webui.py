"""The recipe that AUTOMATIC1111's own Checkpoint Merger writes into a merged file (type ``webui``).

The merge itself is the dialect ``webui``. Facts of modules/extras.py, ``run_modelmerger``, WebUI 1.6 to 1.10.1; Forge
writes the same type with other keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.modes.sums import ADD_DIFFERENCE
from engine.recipes.dialects import WEBUI_DIALECT, Dialect
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.supermerger.versions import DialectGuess

_METHODS = ("Weighted sum", "Add difference", "No interpolation")
_NO_VAE = ("", "None")
"""What the WebUI and Forge write where no VAE is baked in."""
_MARGIN = (
    "AUTOMATIC1111's own merger also merges tensors that SuperMerger leaves as they are in A (position_ids; in SD2 and "
    "SDXL positional_embedding, text_projection, logit_scale)"
)


def webui_recipe(
    content: Mapping[str, Any],
    models: tuple[str, ...],
    multiplier: float,
    dialect: Dialect | None,
    family: FamilyName,
) -> Recipe:
    """The recipe of such metadata.

    Args:
        content: the JSON object.
        models: names of A, B and C, "" for those that it lacks.
        multiplier: its number.
        dialect: another one than ``webui`` where it was asked for.
        family: of the models.

    Raises:
        RecipeError: its method is not one of the WebUI's.
    """
    a, b, c = models
    method = str(content.get("interp_method"))
    match method.lower():
        case "weighted sum":
            step = MergeStep(models=(a, b), alpha=multiplier)
        case "add difference":
            step = MergeStep(models=(a, b, c or a), mode=ADD_DIFFERENCE.name, alpha=multiplier)
        case "no interpolation" | "none":
            step = MergeStep(models=(a, a), alpha=0.0)
        case _:
            raise RecipeError(f"interp_method is {method!r}", remedy=f"known here: {', '.join(_METHODS)}")
    save = "fp16" if content.get("save_as_half") else "computed"
    return Recipe(steps=(step,), dialect=dialect.name if dialect else WEBUI_DIALECT, family=family, save=save)


def webui_notes(content: Mapping[str, Any], dialect: Dialect | None) -> Iterator[str]:
    """What such metadata say, or leave open, that a recipe cannot hold."""
    if dialect is None or dialect.webui:
        reason = "its type says that AUTOMATIC1111's own merger wrote it"
        yield DialectGuess(name=WEBUI_DIALECT, reason=reason).note
        yield "write its checkpoint with --dtype computed, for the WebUI makes float16 only of float32 that it merges"
    else:
        yield f"{_MARGIN}, and sums in the models' own dtype; leave --read-as out to merge as it does"
    if (vae := content.get("bake_in_vae")) and vae not in _NO_VAE:
        yield f"the VAE was replaced by {vae!r}; recipes have no step for that, bake it in with --vae"
    if encoders := content.get("bake_in_te"):
        yield f"text encoders were replaced by {encoders!r}; recipes have no step for that"
    if pattern := content.get("discard_weights"):
        yield f"weights that match {pattern!r} were left out of the file; they are in the new one"
    if "save_as_half" not in content:
        kept = f" ({content['save_as']})" if content.get("save_as") else ""
        yield (
            f"Forge wrote it, which chooses the dtypes of a file by its parts{kept} and may compute in float32, which "
            "is not recorded; the recipe computes in the models' own dtype"
        )
