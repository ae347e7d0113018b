"""What a text for another tool gives every tensor, read from the text itself and compared with a recipe's rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, Shape
from engine.errors import Named, RecipeError
from engine.files import file_kind
from engine.foreign_recipes.mergekit import parsed_yaml
from engine.foreign_recipes.values import as_list, as_number, as_object
from engine.merging.folded import plan_for
from engine.recipes.recipe import Recipe
from studies.recipes.foreign_inputs import mecha_module
from studies.recipes.verify import DifferentTensor

_CLOSE = 1e-9
"""Weights that differ by less are the same: exports write 12 digits."""
_CLOSE_SHIFT = 1e-6
"""Numbers of a shift that differ by less are the same: files of shifts hold float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """What a tensor is made of.

    Attributes:
        weights: of each model, by its file or its name in the recipe; what is no weighted sum has a word of its own.
        shift: what is added to each element; empty for nothing.
    """

    weights: Mapping[str, float]
    shift: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRows:
    """The rows of a text.

    Attributes:
        rows: by key.
        notes: what was not looked at.
    """

    rows: Mapping[str, KeyRow]
    notes: tuple[str, ...] = field(default=())


def layout_of(recipe: Recipe) -> Mapping[str, Shape]:
    """Return the names and shapes of a model of ordinary size of the recipe's family."""
    return {key: tuple(shape) for key, shape in shapes(REAL[recipe.family]).items()}


def rows_of(recipe: Recipe, layouts: Mapping[str, Mapping[str, Shape]], files: Mapping[str, str]) -> dict[str, KeyRow]:
    """Return the folded rows of a recipe.

    Args:
        recipe: what to merge.
        layouts: keys and shapes of every model.
        files: what models are called in the rows, where not by their names; two may be one.
    """
    found: dict[str, KeyRow] = {}
    for key, row in plan_for(recipe, layouts).rows.items():
        weights: dict[str, float] = {}
        for term, weight in row.terms:
            name = files.get(term, term) if isinstance(term, str) else repr(term)
            weights[name] = weights.get(name, 0.0) + weight
        found[key] = KeyRow(weights=weights, shift=tuple(row.shift))
    return found


def different_rows(there: Mapping[str, KeyRow], made: Mapping[str, KeyRow]) -> tuple[DifferentTensor, ...]:
    """Return the keys whose rows differ, the largest difference first."""
    found = [one for key, row in made.items() if key in there and (one := _difference(key, there[key], row))]
    return tuple(sorted(found, key=lambda one: -(one.largest or 0.0)))


def _difference(key: str, there: KeyRow, made: KeyRow) -> DifferentTensor | None:
    names = {*there.weights, *made.weights}
    apart = [abs(there.weights.get(name, 0.0) - made.weights.get(name, 0.0)) for name in names]
    length = max(len(there.shift), len(made.shift))
    first, second = (one.shift or (0.0,) * length for one in (there, made))
    shifted = [abs(a - b) for a, b in zip(first, second, strict=False)] if len(first) == len(second) else [1.0]
    if max((*apart, 0.0)) <= _CLOSE and max((*shifted, 0.0)) <= _CLOSE_SHIFT:
        return None
    what = f"it says {_words(there)}, the recipe {_words(made)}"
    return DifferentTensor(name=key, what=what, largest=max(*apart, *shifted, 0.0))


def _words(row: KeyRow) -> str:
    terms = [f"{weight:.6g} {name:.60}" for name, weight in row.weights.items() if abs(weight) > _CLOSE]
    return " + ".join(terms or ["0"]) + (f" + {[round(number, 6) for number in row.shift]}" if row.shift else "")


# --------------------------------------------------------------------------------------------------------- mergekit


def mergekit_rows(text: str, keys: Sequence[str], files: Sequence[str], beside: Path) -> TextRows:
    """Return what a mergekit configuration gives every tensor.

    Args:
        text: YAML, of the method linear without normalization.
        keys: of the models.
        files: names of the recipe's model files; another model is a file of shifts beside the text.
        beside: its folder.

    Raises:
        RecipeError: it is no such configuration.
    """
    content = as_object(parsed_yaml(text, "the YAML file"), "the YAML file")
    usual = as_object(content.get("parameters") or {}, "parameters")
    if content.get("merge_method") != "linear" or usual.get("normalize", True):
        raise RecipeError(
            "it is not linear without normalization", place=(Named("mergekit"),), remedy="such files alone are compared"
        )
    weights: dict[str, dict[str, float]] = {key: {} for key in keys}
    shifts: dict[str, tuple[float, ...]] = {}
    notes: list[str] = []
    for one in as_list(content.get("models"), "models"):
        model = as_object(one, "models")
        path = str(model.get("model"))
        name = file_name(path)
        given = as_object(model.get("parameters") or {}, f"{name:.60}: parameters").get("weight")
        filters = tuple(_filters(given, name))
        if name in files:
            for key in keys:
                weights[key][name] = weights[key].get(name, 0.0) + _number_of(filters, key)
        elif file_kind(beside / name) == "file":
            shifts |= {key: values for key, values in _vectors(beside / name) if _number_of(filters, key) == 1}
        else:
            notes.append(_unseen(name))
    rows = {key: KeyRow(weights=weights[key], shift=shifts.get(key, ())) for key in keys}
    return TextRows(rows=rows, notes=tuple(notes))


def mecha_rows(text: str, keys: Sequence[str], files: Sequence[str], beside: Path) -> TextRows:
    """Return what the instructions of a .mecha text give every tensor; see ``mergekit_rows`` for the arguments.

    Raises:
        RecipeError: it cannot be read, or an instruction is no sum.
    """
    graph = mecha_module("graph_file")
    evaluation = graph.Evaluation(graph.read_instructions(text))
    rows: dict[str, KeyRow] = {}
    others: set[str] = set()
    vectors: dict[str, dict[str, tuple[float, ...]]] = {}
    for key in keys:
        found: Mapping[str, float] = evaluation.weights(key) or {}
        named = [(file_name(path), weight) for path, weight in found.items()]
        weights = {name: sum(w for other, w in named if other == name) for name, _ in named if name in files}
        shift: tuple[float, ...] = ()
        for name in {name for name, weight in named if name not in files and weight}:
            if name not in vectors and file_kind(beside / name) == "file":
                vectors[name] = dict(_vectors(beside / name))
            others |= {name} - vectors.keys()
            shift = vectors.get(name, {}).get(key, shift)
        rows[key] = KeyRow(weights=weights, shift=shift)
    return TextRows(rows=rows, notes=tuple(_unseen(name) for name in sorted(others)))


def _unseen(name: str) -> str:
    return f"{name} is no model of the recipe and does not lie beside the file: it was not looked at"


def file_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _filters(value: object, name: str) -> Iterator[tuple[str, float]]:
    """Parts of key names and their weights, in the order in which they are tried."""
    if not isinstance(value, list):
        yield "", as_number(value, f"{name:.60}: weight")
        return
    for one in as_list(value, "weight"):
        entry = as_object(one, f"{name:.60}: weight")
        part = str(entry.get("filter", ""))
        yield "" if part == "*" else part, as_number(entry.get("value"), f"{name:.60}: weight {part:.60}")


def _number_of(filters: Sequence[tuple[str, float]], key: str) -> float:
    return next((value for part, value in filters if part in key), 0.0)


def _vectors(path: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    from engine.checkpoints.tensors import all_finite
    from scorers.catalogue.tensor_files import read_tensors

    tensors: Mapping[str, Any] = read_tensors(path)
    for key, tensor in tensors.items():
        if not all_finite(tensor):
            raise RecipeError(f"{key} is not finite", place=(path,), remedy="export the recipe again")
        yield key, tuple(float(number) for number in tensor.reshape(-1))
