"""The recipe that Chattiori-Model-Merger writes into a merged file, type ``merge-models-chattiori``.

It keeps the VAE of A, gives ``time_embed`` of SD1 the last weight, and merges neither ``time_embed`` nor
``label_emb`` of SDXL: the dialect ``classic`` with the VAE kept out. Its numbers are rounded to 3
decimals before they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.foreign_recipes.places import OPEN_CLIP_NOTE
from engine.foreign_recipes.values import Object, as_number
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, Step
from engine.recipes.steps import Filter, Ratio
from engine.supermerger.fields import Reading

TYPE = "merge-models-chattiori"
"""The type in its metadata."""

_MODES = {"Weighted Sum": "Weight sum", "Add Difference": "Add difference", "Triple Sum": "Triple sum",
          "Sum Twice": "sum Twice"}  # fmt: skip
_NONE = "No Interpolation"
_HASHES = ("primary_model_hash", "secondary_model_hash", "tertiary_model_hash")
_INFO = re.compile(r"(?:preset:\[.*\],)?(?P<base>[^,\[\]]+)(?:,\[\[(?P<row>[^\]]*)\],\[(?P<rules>.*)\]\])?", re.DOTALL)
_FINE = re.compile(r"fine\[(?P<values>[^\]]*)\]")
_FIELDS = 8
_LONGEST = 20_000
_ROUNDED = "its weights are rounded to 3 decimals, so the file may have been merged with others that round to these"
_SUMS = "Chattiori sums in the dtype of the models' files, this recipe in float32"


def chattiori_recipe(content: Object, names: Mapping[str, str], family: FamilyName | None) -> Reading:
    """Return the recipe.

    Args:
        content: the JSON object of ``sd_merge_recipe``.
        names: file names by SHA-256, as ``sd_merge_models`` has them.
        family: of the models; None: SDXL by the number of weights, else SD1.

    Raises:
        RecipeError: it is damaged, or uses what recipes have no words for.
    """
    method = str(content.get("merge_method"))
    if method not in {*_MODES, _NONE}:
        raise RecipeError(
            f"its method is {method!r}",
            place=(Named("merge_method"),),
            remedy=f"read are {', '.join(_MODES)} and {_NONE}; recipes have no words for the others",
        )
    chosen: FamilyName = family or _family_of(content)
    recipe = Recipe(
        steps=tuple(_steps(content, method, chosen)),
        dialect="classic",
        family=chosen,
        save="fp16" if content.get("fp") == "fp16" else "computed",
    )
    hashes = dict(zip("ABC", (str(content.get(key) or "") for key in _HASHES), strict=True))
    sources = {name: _source(hashes.get(name, ""), names) for name in recipe.models}
    return Reading(recipe=recipe, sources=sources, notes=tuple(_notes(content, recipe)))


def _steps(content: Object, method: str, family: FamilyName) -> Iterator[Step]:
    adjust = _adjust(content)
    if method == _NONE:
        yield MergeStep(models=("A", "A"), alpha=0.0)
    else:
        mode = _MODES[method]
        by_beta = mode in {"Triple sum", "sum Twice"}
        yield MergeStep(
            models=("A", "B") if mode == "Weight sum" else ("A", "B", "C"),
            mode=mode,
            alpha=_ratio(content, "alpha_info", family),
            beta=_ratio(content, "beta_info", family) if by_beta else 0.0,
            filter=Filter(kind="exclude", blocks=("VAE",)),
        )
    if any(adjust):
        yield AdjustStep(values=adjust)


def _adjust(content: Object) -> tuple[float, ...]:
    """The numbers of ``fine``; everything else that ``calculation`` can say is refused."""
    text = str(content.get("calculation") or "")
    found = _FINE.search(text)
    rest = [word for word in _FINE.sub("", text).split(",") if word and word != "None"]
    if rest:
        raise RecipeError(
            f"it was merged with {', '.join(rest)[:80]}",
            place=(Named("calculation"),),
            remedy="recipes have no words for that",
        )
    if found is None or not found["values"].strip():
        return ()
    values = tuple(as_number(word, "fine") for word in found["values"].split(",")[:_FIELDS])
    if len(values) != _FIELDS:
        raise RecipeError(f"fine has {len(values)} numbers", place=(Named("calculation"),), remedy="it has 8")
    return values


def _info(content: Object, name: str) -> tuple[str, list[str], str]:
    """The base, the row and the rules of one of the two texts."""
    text = content.get(name)
    found = _INFO.fullmatch(str(text)) if text is not None and len(str(text)) < _LONGEST else None
    if found is None:
        raise RecipeError(
            "it cannot be read", place=(Named(name),), seen=text, remedy="such as 0.35,[[0.1, 0.2],[None]]"
        )
    row = [word for word in (found["row"] or "").split(",") if word.strip()]
    return found["base"], row, (found["rules"] or "").strip()


def _ratio(content: Object, name: str, family: FamilyName) -> Ratio:
    base, row, rules = _info(content, name)
    if rules not in {"", "None"}:
        raise RecipeError(
            "it has elemental rules",
            place=(Named(name),),
            seen=rules,
            remedy="they are not read: Chattiori gives them to the block beside the one that they name, or stops",
        )
    if not row:
        return as_number(base, name)
    numbers = [as_number(word, name) for word in (base, *row)]
    if len(numbers) not in {len(BLOCKS), len(XL_BLOCKS)} or (family != "sdxl" and len(numbers) != len(BLOCKS)):
        raise RecipeError(
            f"it has {len(row)} block weights",
            place=(Named(name),),
            remedy="25 belong there, or 19 for SDXL (--family says which models they are)",
        )
    return tuple(numbers[: len(XL_BLOCKS)] if family == "sdxl" else numbers)  # SDXL takes the first 19, place by place


def _family_of(content: Object) -> FamilyName:
    counts = {len(_info(content, name)[1]) for name in ("alpha_info", "beta_info") if content.get(name) is not None}
    return "sdxl" if len(XL_BLOCKS) - 1 in counts else "sd1"


def _source(sha: str, names: Mapping[str, str]) -> str:
    return " ".join(part for part in (names.get(sha, ""), f"sha256 {sha}" if sha else "") if part) or "unknown"


def _notes(content: Object, recipe: Recipe) -> Iterator[str]:
    yield "read in the dialect classic: Chattiori-Model-Merger wrote it; it keeps the VAE of A, which a filter says"
    yield _ROUNDED
    yield _SUMS
    if recipe.family != "sd1":
        yield f"{OPEN_CLIP_NOTE}; Chattiori may have merged them"
    if recipe.family == "sdxl" and any(len(_info(content, n)[1]) == len(BLOCKS) - 1 for n in _given(content)):
        yield "its 25 weights are taken place by place for the first 19 blocks of SDXL, as Chattiori does"
    if vae := content.get("bake_in_vae"):
        yield f"the VAE was replaced by {vae!r}; recipes have no step for that, bake it in with --vae"
    if content.get("pruned"):
        yield "the file was pruned; export with --prune"


def _given(content: Object) -> list[str]:
    return [name for name in ("alpha_info", "beta_info") if content.get(name) is not None]
