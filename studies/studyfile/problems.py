"""Problems of a study file: what pydantic and our validators find, each with its place, the value and the way out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from engine.errors import MISSING, Place, Problem, did_you_mean, value_text
from studies.studyfile.passwords import without_password

OWN_ERROR = "recipe_search"
"""Type of the errors that our own validators raise; their context holds the `problems`."""

_EXPECTED = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list in square brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "bool_type": "true or false",
}
_LIMITS = {
    "greater_than": ("gt", "must be above"),
    "greater_than_equal": ("ge", "must not be below"),
    "less_than": ("lt", "must be below"),
    "less_than_equal": ("le", "must not be above"),
    "multiple_of": ("multiple_of", "must be a multiple of"),
}


def own_error(what: str, remedy: str) -> PydanticCustomError:
    """Return the error that a validator of ours raises."""
    return own_errors([Problem(what=what, remedy=remedy)])


def own_errors(problems: Iterable[Problem]) -> PydanticCustomError:
    """Return the error that a validator of ours raises where another package found the problems.

    The value's place in the file comes before theirs.
    """
    found = tuple(problems)
    return PydanticCustomError(OWN_ERROR, "{text}", {"text": "; ".join(map(str, found)), "problems": found})


def problems_of(error: PydanticCustomError) -> tuple[Problem, ...]:
    """Return what a validator of ours found; places lie within the value."""
    return (error.context or {})["problems"]


def from_pydantic(model: type[BaseModel], error: ValidationError, base: Place) -> Iterator[Problem]:
    """Return what pydantic found, in our words.

    Args:
        model: the model of the whole file, which knows every key's example.
        error: what pydantic raised for the value at `base`.
        base: place of that value in the file.
    """
    for details in error.errors(include_url=False):
        yield from _in_our_words(model, details, base)


def _in_our_words(model: type[BaseModel], details: ErrorDetails, base: Place) -> Iterator[Problem]:
    loc: tuple[str | int, ...] = tuple(part for part in details["loc"] if part != "[key]")
    kind, context = details["type"], details.get("ctx", {})
    place = (*base, *loc)
    owner, field = _field_at(model, place)
    remedy = _example(owner, field, place)
    if kind == "extra_forbidden":
        remedy = did_you_mean(str(loc[-1]), list(_fields(owner)) if owner else [])
        yield Problem(place=place, what="unknown key", seen=_shown(details["input"]), remedy=remedy)
    elif (
        kind == "list_type" and isinstance(details["input"], dict) and field is not None and _model_in(field.annotation)
    ):
        yield Problem(place=place, what="is one table", remedy=f"write [[{place[-1]}]] above each, in double brackets")
    elif kind == "missing":
        yield Problem(place=place, what="is missing", remedy=remedy)
    elif kind == OWN_ERROR:
        yield from (_seen(problem.under(*place), details["input"]) for problem in context["problems"])
    else:
        what = "must be a number" if _is_nan(details["input"]) else _what(kind, context, details["msg"])
        yield Problem(place=place, what=what, seen=_shown(details["input"]), remedy=remedy)


def _shown(value: object) -> object:
    """A value as messages show it: one that is an address, without its password."""
    if isinstance(value, list):
        return [_shown(entry) for entry in cast("list[object]", value)]
    return without_password(value) if isinstance(value, str) else value


def _seen(problem: Problem, value: object) -> Problem:
    """The problem with the value of its key, if it has none of its own."""
    return replace(problem, seen=_shown(value)) if problem.seen is MISSING else problem


def _what(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{words} {_digits(context[name])}"
    if kind == "too_short":
        return f"needs at least {context['min_length']} {'entry' if context['min_length'] == 1 else 'entries'}"
    if kind == "too_long":
        return f"takes at most {context['max_length']} entries"
    if kind == "string_too_short":
        return "must not be empty"
    return message


def _is_nan(value: object) -> bool:
    """Whether a value is "not a number", which no limit says anything of."""
    return isinstance(value, float) and math.isnan(value)


def _digits(limit: float) -> str:
    """A limit in plain digits, however large it is."""
    return str(int(limit)) if float(limit).is_integer() else f"{limit:g}"


def _field_at(model: type[BaseModel], loc: Place) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the model that owns the value at a place, and the value's own field, as far as there are such."""
    owner, field = model, None
    for depth, part in enumerate(loc, start=1):
        own = _fields(owner).get(part) if isinstance(part, str) else None
        field = own or field
        inner = _model_in(own.annotation) if own is not None else None
        if inner is None and isinstance(part, str) and depth < len(loc):
            return None, field
        owner = inner or owner
    return owner, field


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by the key that is written in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _example(owner: type[BaseModel] | None, field: FieldInfo | None, place: Place) -> str:
    """Return what to write instead, from the field's own examples: the first for itself, the last for an entry."""
    if field is None or not field.examples:
        return "correct it" if field is not None and field.is_required() else "correct it, or leave it out"
    if isinstance(place[-1], int):
        example = field.examples[-1]
        return f"write for example {value_text(example[0] if isinstance(example, list) else example)}"
    name = [part for part in place if isinstance(part, str)][-1]
    itself = owner is not None and _fields(owner).get(name) is field
    return f"write for example {name} = {value_text(field.examples[0 if itself else -1])}"
