"""The recipe that tools write into the header of a merged ``.safetensors``: ``sd_merge_recipe``, ``sd_merge_models``.

Read are SuperMerger's (type ``sd-webui-supermerger``) and that of A1111's own checkpoint merger (type ``webui``,
``engine.supermerger.webui``). SuperMerger's has no Adjust, no gamma, no seed, and nothing of extended SDXL blocks: a
recipe with one of these can be rebuilt from ``mergehistory.csv`` alone. "Save current merge" wraps JSON in JSON, so
texts are unwrapped as often as needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.modes.registry import merge_mode
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.dialects import Dialect, dialect_of
from engine.recipes.recipe import Recipe
from engine.recipes.steps import FORMS, MergeStep
from engine.supermerger.fields import FilterMode, Reading, RunFields, fields_of, mode_of, step_of
from engine.supermerger.notes import family_note, notes_on, weights_lost
from engine.supermerger.versions import DialectGuess, dialect_of_metadata, family_of_counts
from engine.supermerger.webui import webui_notes, webui_recipe
from engine.supermerger.weights import weights_line

RECIPE_KEY = "sd_merge_recipe"
MODELS_KEY = "sd_merge_models"
SUPERMERGER = "sd-webui-supermerger"
WEBUI = "webui"
OWN = "sd-recipe-search"
"""The type under which this program writes: nobody else's."""

_LOST = (
    'Adjust, gamma and seed are not recorded in the metadata, nor "use old calc method" and whether it was saved as '
    "fp16; if the run had any, take its row in mergehistory.csv"
)
_LOST_VAE = "a VAE that was baked in is not recorded anywhere; bake it in with --vae"
_LOST_XL = '"use extended XL" is not recorded either; write extended = true in the recipe if it was ticked'
_FILTERS = ("Off", "Include", "Exclude")
_XL_ROW = len(XL_BLOCKS)  # SuperMerger keeps a slot for the VAE behind the 19 UNet blocks

Metadata = Mapping[str, str]


# --------------------------------------------------------------------------------------------------------- writing


def run_metadata(
    run: MergeStep,
    dialect: Dialect,
    family: FamilyName,
    models: Mapping[str, tuple[str, str]],
    *,
    kind: str = OWN,
) -> dict[str, str]:
    """The two header texts of a run, in the form that SuperMerger writes.

    Args:
        run: a run on models of files.
        dialect: whose texts it has.
        family: of the models.
        models: of every model that the run takes, its name in the list and its SHA-256.
        kind: the type written into it; ``SUPERMERGER`` only where SuperMerger's own text is asked for.

    Raises:
        RecipeError: the hash of a model is missing.
    """
    fields = fields_of(run, dialect, family)
    if missing := [name for name in dict.fromkeys(run.models) if name not in models]:
        raise RecipeError(
            f"the metadata names models by SHA-256, and that of {', '.join(missing)} is not known",
            remedy=f"name the file (--model {missing[0]}=PATH), and for the result of another run merge that one first",
        )
    hashes = [models[name or fields.models[0]][1] for name in fields.models]
    named = {"dialect": dialect.name} if kind == OWN else {}  # SuperMerger's own has no place for it
    listed = {models[name][1]: {"name": models[name][0], "legacy_hash": None} for name in dict.fromkeys(run.models)}
    return {
        RECIPE_KEY: json.dumps(recipe_metadata(fields, hashes, family, kind=kind) | named),
        MODELS_KEY: json.dumps(listed),
    }


def recipe_metadata(fields: RunFields, hashes: list[str], family: FamilyName, *, kind: str) -> dict[str, Any]:
    """The recipe's own JSON, its names in SuperMerger's order.

    Args:
        fields: the settings.
        hashes: SHA-256 of A, B and C; A's for an empty C.
        family: of the models.
        kind: the type.
    """
    alpha, beta = _typed_numbers(fields.weights_alpha, family), _typed_numbers(fields.weights_beta, family)
    by_block = merge_mode(fields.mode).beta
    by_beta = beta[1:] if beta and by_block else fields.weights_beta
    segments = [part for part in fields.elemental.replace("\n", ",").split(",") if part]
    return {
        "type": kind,
        "weights_alpha": alpha[1:] if fields.mbw and alpha else None,
        "weights_beta": by_beta if fields.mbw else None,
        "weights_alpha_orig": fields.weights_alpha,
        "weights_beta_orig": fields.weights_beta,
        **{f"model_{letter}": sha256 for letter, sha256 in zip("abc", hashes, strict=True)},
        "base_alpha": alpha[0] if fields.mbw and alpha else fields.alpha,
        "base_beta": fields.beta,
        "mode": fields.mode,
        "mbw": fields.mbw,
        "elemental_merge": segments or "",
        "calcmode": fields.calculation,
        fields.filter_mode: list(fields.filtered) or [""],
    }


def _typed_numbers(text: str, family: FamilyName) -> list[float] | None:
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        return None
    if family == "sdxl" and len(found) in {len(XL_BLOCKS), len(BLOCKS)}:
        named = dict(zip(FORMS[len(found)], found, strict=True))
        return [*(named[block] for block in XL_BLOCKS), 0]  # and the slot for the VAE
    return found


# --------------------------------------------------------------------------------------------------------- reading


def recipe_of_metadata(
    metadata: Metadata,
    dialect: Dialect | None,
    family: FamilyName | None,
    *,
    seed: int | None = None,
    extended: bool = False,
) -> Reading:
    """The recipe in the header of a merged file.

    Args:
        metadata: the header's texts.
        dialect: of the SuperMerger that merged, which its metadata do not say; None: what they look like, with a note.
        family: of the models, which the metadata do not say; None: SDXL by its weights, else SD1, with a note.
        seed: of random rules, which they do not record.
        extended: "use extended XL", which they do not record.

    Raises:
        RecipeError: there is none, it is damaged, or another tool's.
    """
    if RECIPE_KEY not in metadata:
        raise RecipeError(
            f"there is no {RECIPE_KEY} in the metadata ({', '.join(metadata) or 'which is empty'}): the tool that "
            "merged it wrote none"
        )
    content = json_object(metadata[RECIPE_KEY], RECIPE_KEY)
    names = model_names(metadata.get(MODELS_KEY, "{}"))
    match content.get("type"):
        case "sd-webui-supermerger" | "sd-recipe-search":
            found = _from_supermerger(content, names, dialect, family, seed=seed, extended=extended)
        case "webui":
            found = _from_webui(content, names, dialect, family)
        case other:
            raise RecipeError(
                f"{RECIPE_KEY} is of type {other!r}",
                remedy=f"read are {SUPERMERGER}, {WEBUI} (A1111's checkpoint merger), sd-webui-model-mixer and "
                "merge-models-chattiori",
            )
    if family is None:
        found = replace(found, notes=(family_note(found.recipe.family, "the metadata do"), *found.notes))
    return found


def json_object(text: str, where: str) -> dict[str, Any]:
    """JSON, and JSON in JSON.

    Raises:
        RecipeError: it is none, or no object.
    """
    found: object = text
    for _ in range(4):
        if not isinstance(found, str):
            break
        try:
            found = json.loads(found)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"{where} is no JSON ({error})", remedy="the header was changed or cut") from None
    if not isinstance(found, dict):
        raise RecipeError(f"{where} is {found!r:.60}", remedy="a JSON object is needed")
    return cast("dict[str, Any]", found)


def model_names(text: str) -> dict[str, str]:
    """File names by SHA-256, of ``sd_merge_models``; none where it cannot be read."""
    try:
        content = json_object(text, MODELS_KEY)
    except RecipeError:
        return {}
    entries = {sha: cast("dict[str, Any]", entry) for sha, entry in content.items() if isinstance(entry, dict)}
    return {sha: str(entry["name"]) for sha, entry in entries.items() if entry.get("name")}


def _hashes(content: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Of A, B and C: the SHA-256, or "" where there is none."""
    return tuple(str(content.get(key) or "") for key in keys)


def _described(hashes: tuple[str, ...], names: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for letter, sha in zip("ABC", hashes, strict=True):
        name = names.get(sha, "")
        found[letter] = " ".join(part for part in (name, f"sha256 {sha}" if sha else "") if part) or "unknown"
    return found


def _letters_of_hashes(hashes: tuple[str, ...]) -> tuple[str, ...]:
    """A, B and C, the same hash the same letter; an empty C stays empty."""
    first = {sha: letter for letter, sha in reversed([*zip("ABC", hashes, strict=True)]) if sha}
    return first.get(hashes[0], "A"), first.get(hashes[1], "B"), first.get(hashes[2], "")


def _from_supermerger(
    content: Mapping[str, Any],
    names: Mapping[str, str],
    dialect: Dialect | None,
    known: FamilyName | None,
    *,
    seed: int | None,
    extended: bool,
) -> Reading:
    hashes = _hashes(content, ("model_a", "model_b", "model_c"))
    mode: FilterMode = "Include" if content.get("Include") else "Exclude" if content.get("Exclude") else "Off"
    fields = RunFields(
        models=_letters_of_hashes(hashes),
        mode=mode_of(str(content.get("mode", ""))),
        calculation=str(content.get("calcmode", "normal")),
        mbw=content.get("mbw") is True,
        alpha=_number_of(content, "base_alpha"),
        beta=_number_of(content, "base_beta"),
        weights_alpha=_weights_text(content, "alpha"),
        weights_beta=_weights_text(content, "beta"),
        elemental=_elemental_text(content.get("elemental_merge")),
        filter_mode=mode,
        filtered=tuple(_texts(content.get(mode), mode)),
        seed=seed,
        extended=extended,
    )
    family = known or family_of_counts([fields.weights_alpha.count(",") + 1]) or "sd1"
    guess = None if dialect else _guess(content, fields, family)
    rules = dialect or dialect_of(guess.name if guess else "")
    recipe = Recipe(steps=(step_of(fields, rules, family),), dialect=rules.name, family=family)
    notes = (*([guess.note] if guess else []), *notes_on(fields, rules), *_lost(content, recipe))
    return Reading(recipe=recipe, sources=_used(recipe, _described(hashes, names)), notes=notes)


def _guess(content: Mapping[str, Any], fields: RunFields, family: FamilyName) -> DialectGuess:
    """The dialect that the metadata are in; our own name it."""
    if content.get("type") == OWN and isinstance(name := content.get("dialect"), str):
        return DialectGuess(name=dialect_of(name).name, reason="it is named there")
    by_block = fields.mbw and isinstance(content.get("weights_alpha"), list)
    return dialect_of_metadata(
        family,
        filters=any(name in content for name in _FILTERS),
        merged=[float(word) for word in fields.weights_alpha.split(",")] if by_block else None,
        typed=str(content.get("weights_alpha_orig") or ""),
        skipped=[name for name in fields.filtered if name in BLOCKS] if fields.filter_mode == "Exclude" else (),
    )


def _lost(content: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    """What the metadata do not record."""
    yield _LOST
    yield _LOST_VAE
    (run,) = recipe.runs
    if recipe.rules.extended and recipe.family == "sdxl" and not run.extended:
        yield _LOST_XL
    if "BASE" in weights_lost(run, recipe.rules, recipe.family).get("beta", ()):
        yield "the beta of BASE may not be 0: head writes 0 where a filter skips keys; write the one that was set"


def _from_webui(
    content: Mapping[str, Any], names: Mapping[str, str], dialect: Dialect | None, known: FamilyName | None
) -> Reading:
    hashes = _hashes(content, ("primary_model_hash", "secondary_model_hash", "tertiary_model_hash"))
    multiplier, models = _number_of(content, "multiplier"), _letters_of_hashes(hashes)
    try:
        recipe = webui_recipe(content, models, multiplier, dialect, known or "sd1")
    except RecipeError as error:
        raise error.under(Named(RECIPE_KEY)) from None
    notes = tuple(webui_notes(content, dialect))
    return Reading(recipe=recipe, sources=_used(recipe, _described(hashes, names)), notes=notes)


def _used(recipe: Recipe, sources: Mapping[str, str]) -> dict[str, str]:
    return {name: sources[name] for name in recipe.models}


def _number_of(content: Mapping[str, Any], name: str) -> float:
    value = content.get(name, 0)
    try:
        return float(value or 0)
    except (TypeError, ValueError, OverflowError):
        raise RecipeError(f"{RECIPE_KEY}: {name} is {value!r}", remedy="a number belongs there") from None


def _weights_text(content: Mapping[str, Any], side: str) -> str:
    """The weights with BASE in front: from the list, which is what was merged, else the text that was typed."""
    listed = content.get(f"weights_{side}")
    typed = content.get(f"weights_{side}_orig")
    if not isinstance(listed, list):
        return str(listed or typed or "")
    base = (
        _number_of(content, "base_alpha") if side == "alpha" else _typed_base(typed, _number_of(content, "base_beta"))
    )
    row = [base, *(_listed_number(value, side) for value in cast("list[Any]", listed))]
    if len(row) == _XL_ROW + 1:
        row.pop()  # the slot for the VAE
    if len(row) not in FORMS:
        raise RecipeError(
            f"{RECIPE_KEY}: weights_{side} has {len(listed)} numbers",
            remedy=f"{len(BLOCKS) - 1} or {_XL_ROW} belong there (all blocks but BASE)",
        )
    return weights_line(row)


def _listed_number(value: object, side: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"{RECIPE_KEY}: weights_{side} has {value!r} in it", remedy="numbers belong there")
    return float(value)


def _typed_base(typed: object, slider: float) -> float:
    """BASE of the beta text, which has no place of its own in the metadata; the slider where a preset was typed."""
    try:
        return float(str(typed).split(",")[0])
    except ValueError:
        return slider


def _elemental_text(value: object) -> str:
    return value if isinstance(value, str) else ",".join(_texts(value, "elemental_merge"))


def _texts(value: object, name: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(word, str) for word in cast("list[Any]", value)):
        return cast("list[str]", value)
    raise RecipeError(f"{RECIPE_KEY}: {name} is {value!r:.60}", remedy="a list of texts belongs there")
