"""A .mecha file as a recipe: the one in its comments where its instructions do the same, else one made of them."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.architecture.layout import shapes
from engine.architecture.widths import SD1, SDXL, FamilyName
from engine.errors import RecipeError
from engine.exports.linear import RECIPE_MARK, rounded
from engine.exports.mecha.graph_file import Evaluation, Weights, read_instructions
from engine.exports.mecha.lines import SHIFT_FILE
from engine.merging.folded import plan_for
from engine.recipes.blocks import blocks_of, place_of
from engine.recipes.dialects import DEFAULT_DIALECT, RECIPE_DIALECTS, WEBUI_DIALECT, dialect_of
from engine.recipes.recipe import MergeStep, Recipe

_MODEL = re.compile(r'# model ("(?:[^"\\]|\\.)*") is ("(?:[^"\\]|\\.)*")')
_TOLERANCE = 1e-6
"""Of weights: the numbers of a file have twelve digits, and sums of them a little less."""
_EMBEDDINGS = ("time_embed", "label_emb")
"""The keys that sd-mecha gives to BASE and SuperMerger to other blocks."""
_SHOWN = 4


def recipe_of_mecha(text: str) -> tuple[Recipe, dict[str, str]]:
    """Return the recipe of a .mecha file, and the path or file name of each model that it takes.

    A file that this project wrote has its recipe in its comments, and gives it back where the instructions do the same.
    What Adjust adds lies in the small file beside it, which is not read: the recipe in the comments is believed there.
    Others are read where they are a weighted sum of two models, or add the difference of two to a third, with one
    ratio or one for each block.

    Args:
        text: of the file.

    Raises:
        RecipeError: it cannot be read, or a recipe cannot hold all of it: what would be lost is named.
    """
    evaluation = Evaluation(read_instructions(text))
    rows = {key: evaluation.weights(key) for key in _keys(evaluation.family)}
    if written := _written_recipe(text):
        recipe, files = written
        if not _differing(recipe, files, rows):
            return recipe, files
    return _made(evaluation, rows)


def _keys(family: FamilyName) -> Mapping[str, tuple[int, ...]]:
    return shapes(SDXL if family == "sdxl" else SD1)


def _written_recipe(text: str) -> tuple[Recipe, dict[str, str]] | None:
    """The recipe in the comments, and the files of its models; none where there is none that can be read."""
    mark = RECIPE_MARK.rstrip()
    lines = [line.removeprefix(mark).removeprefix(" ") for line in text.splitlines() if line.startswith(mark)]
    try:
        recipe = Recipe.parse("\n".join(lines))
        found = {json.loads(name): json.loads(file) for name, file in _MODEL.findall(text)}
    except (RecipeError, json.JSONDecodeError):
        return None
    return (recipe, {name: found[name] for name in recipe.models}) if found.keys() >= set(recipe.models) else None


def _differing(recipe: Recipe, files: Mapping[str, str], rows: Mapping[str, Weights | None]) -> list[str]:
    """The keys that a recipe would make otherwise than the file does."""
    keys = _keys(recipe.family)
    if keys.keys() != rows.keys():
        return list(rows)
    plan = plan_for(recipe, dict.fromkeys(recipe.models, keys)).rows
    odd: list[str] = []
    for key, row in rows.items():
        wanted: defaultdict[str, float] = defaultdict(float)
        for term, weight in plan[key].terms:
            wanted[files[term] if isinstance(term, str) else ""] += weight
        found = _by_name(row or {}, files)
        shift = sum(value for file, value in found.items() if file.endswith(SHIFT_FILE))
        found = {file: value for file, value in found.items() if not file.endswith(SHIFT_FILE)}
        same = all(abs(wanted[file] - found.get(file, 0.0)) < _TOLERANCE for file in {*wanted, *found})
        if not same or bool(shift) != bool(plan[key].shift):
            odd.append(key)
    return odd


def _by_name(row: Weights, files: Mapping[str, str]) -> Weights:
    """Weights by the names of files: a whole path stands for the name that the comments give."""
    known = set(files.values())
    return {file if file in known else file.rsplit("/", 1)[-1]: weight for file, weight in row.items()}


# ------------------------------------------------------------------------------------------------- files of others


def _made(evaluation: Evaluation, rows: Mapping[str, Weights | None]) -> tuple[Recipe, dict[str, str]]:
    files = dict(zip("ABC", evaluation.files, strict=False))
    if len(evaluation.files) > len(files):
        raise RecipeError(f"a .mecha recipe of {len(evaluation.files)} models has no form with A, B and C")
    if any(file.endswith(SHIFT_FILE) for file in files.values()):
        raise RecipeError("the .mecha recipe adds numbers from a file of shifts, and its comments do not say which")
    best: tuple[list[str], Recipe] | None = None
    for recipe in _candidates(evaluation.family, files, rows):
        odd = _differing(recipe, files, rows)
        if not odd:
            return recipe, {name: files[name] for name in recipe.models}
        best = min(best or (odd, recipe), (odd, recipe), key=lambda found: len(found[0]))
    odd = best[0] if best else list(rows)
    more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    raise RecipeError(
        "a recipe of one step cannot hold the ratios that the .mecha recipe has for "
        f"{', '.join(odd[:_SHOWN])}{more}: they are not those of their blocks",
        remedy="merge it with sd-mecha, or write the steps as a recipe",
    )


def _candidates(family: FamilyName, files: Mapping[str, str], rows: Mapping[str, Weights | None]) -> Iterator[Recipe]:
    """Recipes of one step that may be meant, in the dialects in which the family can be merged."""
    three = len(files) > 2
    second = files.get("B", "")
    ratios = {key: rounded((row or {}).get(second, 0.0)) for key, row in rows.items()}
    step = MergeStep(models=("A", "B", "C"), mode="Add difference") if three else MergeStep()
    usual = [name for name in RECIPE_DIALECTS if name not in {DEFAULT_DIALECT[family], WEBUI_DIALECT}]
    for name in (DEFAULT_DIALECT[family], *usual):
        if family in dialect_of(name).families:
            for alpha, elemental in _alphas(ratios, name, family):
                yield Recipe(steps=(replace(step, alpha=alpha, elemental=elemental),), dialect=name, family=family)


def _alphas(
    ratios: Mapping[str, float], dialect: str, family: FamilyName
) -> Iterator[tuple[float | tuple[float, ...], str]]:
    """Ratios, and the elemental rules that go with them."""
    if len(set(ratios.values())) == 1:
        yield next(iter(ratios.values())), ""
    members: dict[str, list[str]] = {name: [] for name in blocks_of(family)}
    for key in ratios:
        members.get(_block(key, dialect, family), []).append(key)
    blocks = {name: _most([ratios[key] for key in keys]) for name, keys in members.items()}
    alpha = tuple(blocks.values())
    yield alpha, ""
    apart = {(_block(key, dialect, family), part): ratios[key] for key in ratios for part in _EMBEDDINGS if part in key}
    rules = [f"{block}:{part}:{ratio}" for (block, part), ratio in apart.items() if block]
    yield alpha, ",".join(rules)


def _block(key: str, dialect: str, family: FamilyName) -> str:
    """The block of a key in a dialect; empty for keys that are never merged."""
    return (place_of(key, family, dialect_of(dialect)) or ("",))[0]


def _most(values: Sequence[float]) -> float:
    return Counter(values).most_common(1)[0][0] if values else 0.0
