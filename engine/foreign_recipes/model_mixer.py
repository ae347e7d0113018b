"""The recipe that Model Mixer (wkpark/sd-webui-model-mixer) writes into a merged file, type ``sd-webui-model-mixer``.

A chain: each further model is merged into the result so far, in mode Sum, Add-Diff (against one base model) or Self.
With block weights, the VAE and SDXL's ``label_emb`` stay A's, and ``time_embed`` and ``out`` take the last weight
(option "extra elements", on by default and not recorded); without, one alpha is for every key. Adjust comes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.foreign_recipes.places import DIALECTS, OPEN_CLIP_NOTE, PlaceWeights, elemental_ids, merge_step, plain_row
from engine.foreign_recipes.values import Object, as_list, as_number, entry
from engine.recipes.adjust import parse_adjust
from engine.recipes.blocks import XL_BLOCKS
from engine.recipes.dialects import dialect_of
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, Step
from engine.recipes.steps import PREVIOUS
from engine.supermerger.fields import Reading

TYPE = "sd-webui-model-mixer"
"""The type in its metadata."""

_MOST_MODELS = 25
_BASE = "base"
_EXTRA = (
    'the option "extra elements" is not recorded; it is read as switched on, its default: time_embed and out take the '
    "weight of the last block"
)
_KEPT = "the VAE stays A's, and so does label_emb in SDXL: Model Mixer merges neither with block weights"
_HALF = "how the file was saved (fp16 or not) is not recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merge:
    """One further model of the chain, as the metadata have it."""

    place: int
    letter: str
    mode: str
    calculation: str
    alpha: object
    weights: object
    elemental: str


def model_mixer_recipe(content: Object, hashes: Mapping[str, str], family: FamilyName | None) -> Reading:
    """Return the recipe.

    Args:
        content: the JSON object of ``sd_merge_recipe``.
        hashes: SHA-256 by the names of models, as ``sd_merge_models`` has them.
        family: of the models; None: SDXL by the number of weights, else SD1.

    Raises:
        RecipeError: it is damaged, or uses what recipes have no words for.
    """
    merges = list(_merges(content))
    if not merges:
        raise RecipeError("it merged no model into A", place=(Named("sd_merge_recipe"),), remedy="take A itself")
    chosen: FamilyName = family or _family_of(merges)
    steps: list[Step] = [_step(one, chosen, first=number == 0) for number, one in enumerate(merges)]
    if adjust := parse_adjust(str(content.get("adjust") or ""), dialect_of("classic")):
        steps.append(AdjustStep(values=adjust))
    recipe = Recipe(steps=tuple(steps), dialect=DIALECTS[chosen], family=chosen, save="computed")
    names = {"A": content.get("model_a"), _BASE: content.get("base_model")}
    names |= {one.letter: content.get(f"model_{one.letter.lower()}") for one in merges}
    sources = {name: _source(names.get(name), hashes) for name in recipe.models}
    return Reading(recipe=recipe, sources=sources, notes=tuple(_notes(content, merges, recipe)))


def _merges(content: Object) -> Iterator[_Merge]:
    modes = as_list(content.get("mode"), "mode")
    if len(modes) > _MOST_MODELS:
        raise RecipeError(f"mode has {len(modes)} entries", remedy=f"Model Mixer takes up to {_MOST_MODELS} models")
    rows = {name: _row(content, name, len(modes)) for name in ("alpha", "weights_alpha", "elemental", "use_elemental")}
    by_block = _row(content, "use_mbws", len(modes))
    calculations = _row(content, "calcmode", len(modes))
    for place, mode in enumerate(modes):
        weights = entry(rows["weights_alpha"], place)
        uses = entry(by_block, place)
        rules = entry(rows["elemental"], place) if entry(rows["use_elemental"], place) is not False else None
        yield _Merge(
            place=place,
            letter=chr(ord("B") + place),
            mode=str(mode),
            calculation=str(entry(calculations, place) or "Normal"),
            alpha=entry(rows["alpha"], place),
            weights=weights if uses is True or (uses is None and isinstance(weights, list)) else None,
            elemental=rules.strip() if isinstance(rules, str) else "",
        )


def _row(content: Object, name: str, count: int) -> list[Any]:
    """A list with an entry a model; older versions write one value for all."""
    value = content.get(name)
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value] * count


def _family_of(merges: list[_Merge]) -> FamilyName:
    counts = {len(cast("list[Any]", one.weights)) for one in merges if isinstance(one.weights, list)}
    return "sdxl" if counts == {len(XL_BLOCKS)} else "sd1"


def _step(one: _Merge, family: FamilyName, *, first: bool) -> MergeStep:
    """One merge into the result so far."""
    where = f"model_{one.letter.lower()}"
    if one.calculation.lower() != "normal":
        raise RecipeError(
            f"its calculation mode is {one.calculation!r}",
            place=(Named(where),),
            remedy="Normal alone is read: Model Mixer's others have formulas of their own",
        )
    before = "A" if first else PREVIOUS
    mode, calculation, models = _mode(one, before, where)
    if one.weights is None:
        alpha = as_number(one.alpha, f"{where}: alpha")
        return MergeStep(models=models, alpha=alpha, mode=mode, calculation=calculation)
    elemental = elemental_ids(one.elemental, family) if one.elemental else ""
    if elemental is None:
        raise RecipeError(
            "its elemental rules cannot be said in SDXL's 110 blocks",
            place=(Named(where),),
            seen=one.elemental,
            remedy="rules of plain blocks are read, such as OUT05 OUT08:attn1:0.5",
        )
    weights = _weights(one.weights, family, where)
    return merge_step(
        weights, family, models=models, mode=mode, calculation=calculation, elemental=elemental.replace("\n", ",")
    )


def _mode(one: _Merge, before: str, where: str) -> tuple[str, str, tuple[str, ...]]:
    """Merge mode, calculation mode and models."""
    if "Sum" in one.mode:
        return "Weight sum", "normal", (before, one.letter)
    if one.mode == "Add-Diff":
        return "Add difference", "normal", (before, one.letter, _BASE)
    if one.mode == "Self":
        return "Weight sum", "self", (before, before)
    raise RecipeError(
        f"its mode is {one.mode!r}",
        place=(Named(where),),
        remedy="Sum, Add-Diff and Self are read; recipes have no words for the others",
    )


def _weights(value: object, family: FamilyName, where: str) -> PlaceWeights:
    words: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [*str(value).split(",")]
    if len(words) > 200:
        raise RecipeError(f"weights_alpha has {len(words)} numbers", place=(Named(where),))
    blocks = plain_row([as_number(word, f"{where}: weights_alpha") for word in words], family)
    if blocks is None:
        raise RecipeError(
            f"weights_alpha has {len(words)} numbers",
            place=(Named(where),),
            remedy="20 (SDXL) or 26 belong there, BASE first (--family says which models they are)",
        )
    return PlaceWeights(blocks=blocks, time_embed=blocks[-1], out=blocks[-1])


def _source(name: object, hashes: Mapping[str, str]) -> str:
    """What is known of a model: its name, and its SHA-256 where the file lists a model of that name."""
    if not name:
        return "unknown"
    title = str(name)
    short = title.partition(" [")[0].removesuffix(".safetensors").removesuffix(".ckpt")
    sha = hashes.get(title) or hashes.get(short) or ""
    return f"{title} sha256 {sha}" if sha else title


def _notes(content: Object, merges: list[_Merge], recipe: Recipe) -> Iterator[str]:
    yield f"read in the dialect {recipe.dialect}: Model Mixer wrote it, whose rules these steps say"
    if any(one.weights is not None for one in merges):
        yield _KEPT
        yield _EXTRA
    if recipe.family != "sd1":
        yield f"{OPEN_CLIP_NOTE}; Model Mixer may have merged them"
    if any(one.elemental and one.weights is not None for one in merges):
        yield "a guess: elemental rules read as SuperMerger reads them; in Model Mixer time_embed and out follow none"
    if any(one.mode == "Add-Diff" for one in merges) and not content.get("base_model"):
        yield "the base model of Add-Diff was found by Model Mixer itself and is not recorded; name it as base"
    if len(str(content.get("adjust") or "").split(",")) == 7:
        yield "a guess: Adjust has seven numbers, which are read as the first seven of eight; COL3 is 0"
    yield _HALF
