"""Recipes that differ in one respect, as the axis of an X/Y/Z plot in SuperMerger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.errors import RecipeError
from engine.recipes.dialects import Dialect
from engine.recipes.recipe import Recipe
from engine.recipes.steps import number
from engine.supermerger.axes import Axis
from engine.supermerger.fields import RunFields, fields_of
from engine.supermerger.runs import joined_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One plot that makes several recipes.

    Attributes:
        run: number of the run that differs, from 1; the runs before it are the same.
        fields: what is set beside the axes.
        x: the fast axis.
        y: the slow one, where two are needed; ``none`` else.
    """

    run: int
    fields: RunFields
    x: Axis
    y: Axis


def series_of(recipes: Sequence[Recipe]) -> Series:
    """The plot that makes these recipes, in their order.

    Recipes that differ in single Adjust fields become alpha on X and pinpoint adjust on Y, where every field has the
    same numbers; everything else is one axis.

    Raises:
        RecipeError: they differ in nothing, or in more than one axis can hold.
    """
    if len({(recipe.dialect, recipe.family, recipe.save) for recipe in recipes}) != 1:
        raise RecipeError("a plot is made of recipes of one dialect, one family and one save format")
    run, settings = _differing(recipes)
    dialect = recipes[0].rules
    names = [name for name in RunFields.__dataclass_fields__ if len({getattr(one, name) for one in settings}) > 1]
    if names == ["adjust"] and (found := _pinpoint(run, settings, dialect)):
        return found
    kind, value = _axis(names, settings)
    values = [value(one) for one in settings]
    return Series(run=run, fields=settings[0], x=Axis(kind=kind, text=_axis_text(kind, values)), y=Axis())


def _differing(recipes: Sequence[Recipe]) -> tuple[int, list[RunFields]]:
    """The number of the one run that differs, and its settings in every recipe."""
    runs = [[run.step for run in joined_runs(recipe)] for recipe in recipes]
    counts = {len(one) for one in runs}
    if len(counts) != 1:
        raise RecipeError(f"the recipes have different numbers of runs ({', '.join(map(str, sorted(counts)))})")
    places = [place for place, steps in enumerate(zip(*runs, strict=True)) if len({*steps}) > 1]
    if len(places) != 1:
        where = "in no run" if not places else f"in runs {', '.join(str(place + 1) for place in places)}"
        raise RecipeError(f"the recipes differ {where}", remedy="an axis needs them to differ in exactly one run")
    (place,) = places
    return place + 1, [fields_of(one[place], recipes[0].rules, recipes[0].family) for one in runs]


_AXES: dict[frozenset[str], tuple[str, Callable[[RunFields], str]]] = {
    frozenset({"alpha"}): ("alpha", lambda fields: number(fields.alpha)),
    frozenset({"beta"}): ("beta", lambda fields: number(fields.beta)),
    frozenset({"alpha", "beta"}): ("alpha and beta", lambda fields: f"{number(fields.alpha)} {number(fields.beta)}"),
    frozenset({"weights_alpha"}): ("mbw alpha ", lambda fields: fields.weights_alpha),
    frozenset({"weights_beta"}): ("mbw beta", lambda fields: fields.weights_beta),
    frozenset({"weights_alpha", "weights_beta"}): (
        "mbw alpha and beta",
        lambda fields: f"{fields.weights_alpha}\n{fields.weights_beta}",
    ),
    frozenset({"elemental"}): ("elemental", lambda fields: fields.elemental),
    frozenset({"adjust"}): ("adjust", lambda fields: fields.adjust or "0,0"),
    frozenset({"calculation"}): ("calcmode", lambda fields: fields.calculation),
}


def _axis(names: Sequence[str], settings: Sequence[RunFields]) -> tuple[str, Callable[[RunFields], str]]:
    if names == ["models"]:
        return _model_axis(settings)
    by_block = all(one.mbw for one in settings)
    effective = [name for name in names if not (by_block and name in {"alpha", "beta"})]  # sliders do not count then
    if found := _AXES.get(frozenset(effective)):
        return found
    raise RecipeError(
        f"the recipes differ in {', '.join(names).replace('_', ' ') or 'nothing'}, for which SuperMerger has no axis",
        remedy="they may differ in alpha, beta, the weights of either, elemental text, Adjust, calculation mode or "
        "one model",
    )


def _model_axis(settings: Sequence[RunFields]) -> tuple[str, Callable[[RunFields], str]]:
    places = [place for place in range(3) if len({one.models[place] for one in settings}) > 1]
    if len(places) > 1:
        raise RecipeError(
            f"the recipes differ in models {', '.join('ABC'[place] for place in places)}", remedy="one may"
        )
    (place,) = places
    return f"model_{'ABC'[place]}", lambda fields: fields.models[place]


def _axis_text(kind: str, values: list[str]) -> str:
    if kind == "elemental":
        return _paragraphs(values)
    if any("|" in value for value in values):
        raise RecipeError("a value has | in it, which splits plots in SuperMerger", remedy="change it")
    one_a_line = kind in {"mbw alpha ", "mbw beta", "mbw alpha and beta", "adjust"}
    return ("\n" if one_a_line else ",").join(values)


def _paragraphs(values: list[str]) -> str:
    """Blank lines between; an empty text can only come first."""
    if "" in values[1:] or any("\n\n" in value or "|" in value for value in values):
        raise RecipeError(
            "an elemental axis cannot hold these texts: one without rules must come first, and none may have a blank "
            "line or | in it"
        )
    first, *rest = values
    return "\n\n".join(["", *rest]) if not first else "\n\n".join(values)


def _pinpoint(run: int, settings: Sequence[RunFields], dialect: Dialect) -> Series | None:
    """Alpha and pinpoint adjust, where the recipes are fields times numbers on one Adjust text; None where not."""
    rows = [_adjust_values(one, dialect) for one in settings]
    names = dialect.adjust_fields
    base = tuple(max({*column}, key=column.count) for column in zip(*rows, strict=True))
    moved = [[place for place, value in enumerate(row) if value != base[place]] for row in rows]
    fields = list(dict.fromkeys(places[0] for places in moved if len(places) == 1))
    if not fields or len(rows) % len(fields):
        return None
    size = len(rows) // len(fields)
    grid = [row[fields[place // size]] for place, row in enumerate(rows)]
    expected = [_replaced_at(base, field, value) for field in fields for value in grid[:size]]
    if expected != rows or (len(fields) == 1 and any(base)):
        return None
    x = Axis(kind="alpha", text=",".join(map(number, grid[:size])))
    y = Axis(kind="pinpoint adjust", text=",".join(names[field] for field in fields))
    kept = ",".join(map(number, base)) if any(base) else ""
    return Series(run=run, fields=replace(settings[0], adjust=kept), x=x, y=y)


def _adjust_values(fields: RunFields, dialect: Dialect) -> tuple[float, ...]:
    words = fields.adjust.split(",") if fields.adjust else []
    return (*map(float, words), *(0.0,) * (len(dialect.adjust_fields) - len(words)))


def _replaced_at(row: tuple[float, ...], place: int, value: float) -> tuple[float, ...]:
    return (*row[:place], value, *row[place + 1 :])
