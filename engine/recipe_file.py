"""Recipe files: a recipe and the paths of its models, as TOML that a person can write.

``format = 1``, ``dialect``, ``[models]`` with paths relative to the file, and one ``[[steps]]`` table a step: merge
(``weights`` of 26 numbers, or ``flat`` and ``base``, then ``blocks`` over either), self (``factors`` by site), adjust
(``values``: eight numbers, or some fields by name).
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from engine.blocks import ADJUST_FIELDS, BLOCKS, DIALECTS, Site
from engine.errors import RecipeError
from engine.recipe import AdjustStep, MergeStep, Recipe, SelfStep, Step
from engine.recipe_text import number

FORMAT = 1
Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """A recipe and where its models are; paths are absolute or relative to the working folder."""

    recipe: Recipe
    models: dict[str, Path]


class _Mistakes:
    """Collects what is wrong, each with its place, so that all of it is said at once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, place: str, message: str) -> None:
        self.found.append(f"{place}: {message}")


def read_recipe_file(path: Path | str) -> RecipeFile:
    """Read a recipe file.

    Raises:
        RecipeError: every mistake of the file at once, each with its place, the value and what to write.
    """
    path = Path(path)
    content = _load(path)
    mistakes = _Mistakes()
    _check_head(content, mistakes)
    models = _models(content.get("models"), path.parent, mistakes)
    steps = _steps(content.get("steps"), models, mistakes)
    if not mistakes.found:
        recipe = _recipe(content, steps, mistakes)
        if recipe:
            return RecipeFile(recipe=recipe, models=models)
    listed = "\n".join(f"  {mistake}" for mistake in mistakes.found)
    count = f"{len(mistakes.found)} mistakes" if len(mistakes.found) > 1 else "a mistake"
    raise RecipeError(f"{path}: {count} in this recipe file:\n{listed}")


def _load(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text; a recipe file is TOML") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: is not TOML: {error}") from error


def _check_head(content: Table, mistakes: _Mistakes) -> None:
    _check_names("", content, ("format", "dialect", "models", "steps"), mistakes)
    if content.get("format") != FORMAT or isinstance(content.get("format"), bool):
        mistakes.add("format", f"is {content.get('format', 'missing')}; this program reads format = {FORMAT}")
    if (dialect := content.get("dialect", "classic")) not in DIALECTS:
        mistakes.add("dialect", f"there is no {dialect!r}; write one of {', '.join(DIALECTS)}")


def _check_names(place: str, table: Table, names: tuple[str, ...], mistakes: _Mistakes) -> None:
    for name in table.keys() - set(names):
        mistakes.add(f"{place}{name}", f"is unknown here; the names are {', '.join(names)}")


def _models(value: object, folder: Path, mistakes: _Mistakes) -> dict[str, Path]:
    table = _table("models", value, mistakes)
    if not table:
        mistakes.add("models", 'is missing or empty; write [models] and then A = "first.safetensors", B = "..."')
    found: dict[str, Path] = {}
    for name, entry in table.items():
        if isinstance(entry, str) and entry:
            found[name] = folder / Path(entry).expanduser()
        else:
            mistakes.add(f"models.{name}", f"is {entry!r}; write the path of a checkpoint in quotes")
    return found


def _recipe(content: Table, steps: list[Step], mistakes: _Mistakes) -> Recipe | None:
    try:
        return Recipe(steps=tuple(steps), dialect=content.get("dialect", "classic"))
    except RecipeError as error:
        mistakes.add("steps", str(error))
        return None


def _steps(value: object, models: Mapping[str, Path], mistakes: _Mistakes) -> list[Step]:
    if not isinstance(value, list) or not value:
        mistakes.add("steps", 'is missing; write [[steps]] and then kind = "merge"')
        return []
    found = [_step(f"steps[{n}]", entry, models, mistakes) for n, entry in enumerate(cast("list[Any]", value), start=1)]
    return [step for step in found if step is not None]


def _step(place: str, value: object, models: Mapping[str, Path], mistakes: _Mistakes) -> Step | None:
    table = _table(place, value, mistakes)
    kind = table.get("kind")
    before = len(mistakes.found)
    try:
        if kind == "merge":
            return _merge(place, table, models, mistakes)
        if kind == "self":
            return _self(place, table, mistakes)
        if kind == "adjust":
            return _adjust(place, table, mistakes)
        mistakes.add(f"{place}.kind", f"is {kind!r}; write merge, self or adjust")
    except RecipeError as error:
        if len(mistakes.found) == before:  # else it only follows from what is already said
            mistakes.add(place, str(error))
    return None


def _merge(place: str, table: Table, models: Mapping[str, Path], mistakes: _Mistakes) -> MergeStep:
    _check_names(f"{place}.", table, ("kind", "models", "weights", "flat", "base", "blocks"), mistakes)
    ratios = _ratios(place, table, mistakes)
    for block, value in _table(f"{place}.blocks", table.get("blocks"), mistakes).items():
        if block in ratios:
            ratios[block] = _number(f"{place}.blocks.{block}", value, mistakes)
        else:
            mistakes.add(f"{place}.blocks.{block}", "is no block; write BASE, IN00..IN11, M00 or OUT00..OUT11")
    return MergeStep(models=_pair(place, table, models, mistakes), ratios=tuple(ratios.values()))


def _pair(place: str, table: Table, models: Mapping[str, Path], mistakes: _Mistakes) -> tuple[str, str]:
    names = table.get("models", ["A", "B"])
    known = isinstance(names, list) and len(cast("list[Any]", names)) == 2 and all(name in models for name in names)
    if known:
        return str(names[0]), str(names[1])
    if models:
        mistakes.add(f"{place}.models", f"is {names!r}; write two of the names under [models]: {', '.join(models)}")
    return "A", "B"


def _ratios(place: str, table: Table, mistakes: _Mistakes) -> dict[str, float]:
    """The ratio of each block before ``blocks`` is laid over it."""
    if "weights" in table:
        for name in {"flat", "base"} & table.keys():
            mistakes.add(f"{place}.{name}", "cannot stand beside weights, which already has a number for every block")
        return dict(zip(BLOCKS, _row(f"{place}.weights", table["weights"], BLOCKS, mistakes), strict=True))
    if "flat" not in table:
        mistakes.add(place, "a merge step needs weights (26 numbers, BASE first) or flat (one number for the UNet)")
    flat = _number(f"{place}.flat", table.get("flat", 0), mistakes)
    return dict.fromkeys(BLOCKS, flat) | {"BASE": _number(f"{place}.base", table.get("base", 0), mistakes)}


def _self(place: str, table: Table, mistakes: _Mistakes) -> SelfStep:
    _check_names(f"{place}.", table, ("kind", "factors"), mistakes)
    pairs: list[tuple[Site, float]] = []
    for name, value in _table(f"{place}.factors", table.get("factors"), mistakes).items():
        factor = _number(f'{place}.factors."{name}"', value, mistakes)
        try:
            site = Site.parse(name)
            SelfStep(factors=((site, factor),))
            pairs.append((site, factor))
        except RecipeError as error:
            mistakes.add(f'{place}.factors."{name}"', str(error))
    if not table.get("factors"):
        mistakes.add(f"{place}.factors", 'is missing or empty; write factors = {"OUT05:attn1" = 0.88}')
    return SelfStep(factors=tuple(pairs))


def _adjust(place: str, table: Table, mistakes: _Mistakes) -> AdjustStep:
    _check_names(f"{place}.", table, ("kind", "values"), mistakes)
    values = table.get("values")
    if not isinstance(values, dict):
        return AdjustStep(values=_row(f"{place}.values", values, ADJUST_FIELDS, mistakes))
    named = cast("Table", values)
    _check_names(f"{place}.values.", named, ADJUST_FIELDS, mistakes)
    row = [_number(f"{place}.values.{name}", named.get(name, 0), mistakes) for name in ADJUST_FIELDS]
    return AdjustStep(values=tuple(row))


def _table(place: str, value: object, mistakes: _Mistakes) -> Table:
    if value is None or isinstance(value, dict):
        return cast("Table", value or {})
    mistakes.add(place, f"is {value!r}; a table is needed")
    return {}


def _row(place: str, value: object, names: tuple[str, ...], mistakes: _Mistakes) -> tuple[float, ...]:
    row = cast("list[Any]", value) if isinstance(value, list) else []
    if len(row) != len(names):
        seen = f"{len(row)} numbers" if isinstance(value, list) else repr(value)
        mistakes.add(place, f"is {seen}; write {len(names)} numbers: {names[0]}, {names[1]} .. {names[-1]}")
        return (0.0,) * len(names)
    return tuple(_number(f"{place}[{n}]", item, mistakes) for n, item in enumerate(row, start=1))


def _number(place: str, value: object, mistakes: _Mistakes) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        mistakes.add(place, f"is {value!r}; write a number such as 0.35")
        return 0.0
    return float(value)


# --------------------------------------------------------------------------------------------------------- writing


def write_recipe_file(path: Path | str, content: RecipeFile, *, overwrite: bool = False) -> None:
    """Write a recipe file that reads back as the same recipe and models.

    Raises:
        RecipeError: the file exists and may not be overwritten, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise RecipeError(f"{path}: exists already; choose another name, or ask for it to be overwritten")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(_text(content, path.parent), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RecipeError(f"{path}: cannot be written ({error.strerror}); check the folder") from error


def _text(content: RecipeFile, folder: Path) -> str:
    models = [f"{_key(name)} = {_quoted(_path(path, folder))}" for name, path in content.models.items()]
    head = [f"format = {FORMAT}", f"dialect = {_quoted(content.recipe.dialect)}", "", "[models]", *models]
    return "\n".join([*head, *(line for step in content.recipe.steps for line in _step_lines(step)), ""])


def _step_lines(step: Step) -> list[str]:
    if isinstance(step, MergeStep):
        names = ", ".join(map(_quoted, step.models))
        return ["", "[[steps]]", 'kind = "merge"', f"models = [{names}]", *_weight_lines(step.ratios)]
    if isinstance(step, SelfStep):
        factors = [f"{_quoted(str(site))} = {number(factor)}" for site, factor in step.factors]
        return ["", "[[steps]]", 'kind = "self"', "[steps.factors]", *factors]
    values = ", ".join(map(number, step.values))
    return ["", "[[steps]]", 'kind = "adjust"', f"values = [{values}]  # {', '.join(ADJUST_FIELDS)}"]


def _weight_lines(ratios: tuple[float, ...]) -> list[str]:
    rows = (("BASE", 0, 1), ("IN00..IN11", 1, 13), ("M00", 13, 14), ("OUT00..OUT11", 14, 26))
    lines = [f"    {', '.join(map(number, ratios[start:end]))},  # {name}" for name, start, end in rows]
    return ["weights = [", *lines, "]"]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _path(path: Path, folder: Path) -> str:
    """Relative where the model lies beside the file or below it, so that the folder can be moved."""
    whole, base = path.resolve(), folder.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)
