"""JSON of other programs: objects, numbers and lists out of it, with errors that name the place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from engine.errors import Named, RecipeError

Object = Mapping[str, Any]
"""A JSON object."""

_PACKED = 4  # how often a JSON text may be packed into another one


def parsed_json(text: str, where: str) -> object:
    """Return a JSON value, unpacked where it is JSON in JSON.

    Args:
        text: the text.
        where: what it is of, for errors.

    Raises:
        RecipeError: it is no JSON.
    """
    value: object = text
    for _ in range(_PACKED):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RecipeError(
                f"this is not JSON ({error!s:.80})",
                place=(Named(where),),
                remedy="it was changed or cut; fetch it again",
            ) from None
    return value


def as_object(value: object, where: str) -> Object:
    """Return a value that must be a JSON object.

    Raises:
        RecipeError: it is something else.
    """
    if not isinstance(value, dict):
        raise RecipeError("a JSON object is needed", place=(Named(where),), seen=value)
    return cast("dict[str, Any]", value)


def as_number(value: object, where: str) -> float:
    """Return a number, which may be written as a text.

    Raises:
        RecipeError: it is none, or not finite.
    """
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        raise RecipeError("a number belongs there", place=(Named(where),), seen=value)
    return number


def as_list(value: object, where: str) -> list[Any]:
    """Return a value that must be a JSON list.

    Raises:
        RecipeError: it is something else.
    """
    if not isinstance(value, list):
        raise RecipeError("a list belongs there", place=(Named(where),), seen=value)
    return cast("list[Any]", value)


def entry(row: list[Any], place: int) -> object:
    """Return an entry of a list that may be shorter; None where it is."""
    return row[place] if place < len(row) else None
