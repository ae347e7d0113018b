"""The JSON files of a study: read so that a damaged one is told in a sentence, and checked for their shape."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from engine.errors import Place
from engine.files import readable
from studies.errors import StudyError

Shape = type | None | tuple[Any, ...] | list[Any] | Mapping[Any, Any]
"""What a JSON value may be: a type; None for null; a tuple of shapes, one of which fits; a list of one shape, which all
entries have; a mapping of names to shapes (with a question mark: the name may be missing), or of `str` to the shape of
all values."""
LARGEST = 1e300
"""The largest size of a number that is taken for one of ours."""


def read_json(path: Path, shape: Shape, remedy: str) -> Any:
    """The content of a JSON file of ours.

    Args:
        path: the file.
        shape: of its content.
        remedy: the way out where the file cannot be used.

    Raises:
        StudyError: the file cannot be read, is no JSON, or is not of this shape.
    """
    try:
        value = parsed(readable(path).read_bytes())
    except OSError as error:
        raise StudyError(f"cannot be read ({error.strerror})", place=(path,), remedy=remedy) from error
    except ValueError as error:
        raise StudyError("is damaged: this is no JSON text", place=(path,), remedy=remedy) from error
    place = misfit(value, shape)
    if place is not None:
        raise StudyError("is damaged: this is not what was written there", place=(path, *place), remedy=remedy)
    return value


def entries_of(kind: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a JSON object that a dataclass with slots has fields for; later versions may write more."""
    return {name: value for name, value in row.items() if name in kind.__slots__}


def parsed(text: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or so deeply nested that it cannot be ours.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def misfit(value: object, shape: Shape) -> Place | None:
    """Where a JSON value is not of a shape, `()` being the value itself; None where it is."""
    if shape is None or isinstance(shape, type):  # asked first: most values are plain
        return None if _is_plain(value, shape) else ()
    if isinstance(shape, tuple):
        return _misfit_in_all(value, shape)
    if isinstance(shape, list):
        return _misfit_in_list(value, shape[0])
    return _misfit_in_names(value, shape)


def _misfit_in_all(value: object, shapes: tuple[Any, ...]) -> Place | None:
    """Where a JSON value is not of the shape that fits best; None where it is of one of them."""
    places = list[Place]()
    for shape in shapes:
        if (place := misfit(value, shape)) is None:
            return None
        places.append(place)
    return max(places, key=len, default=())


def _is_plain(value: object, shape: type | None) -> bool:
    if shape is None:
        return value is None
    if isinstance(value, bool):
        return shape is bool
    if isinstance(value, str):
        return shape is str and _is_unicode(value)
    if shape is float:
        return isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST)
    return isinstance(value, shape)


def _is_unicode(text: str) -> bool:
    """Whether a text can be printed; JSON can spell halves of characters that cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _misfit_in_list(value: object, shape: Shape) -> Place | None:
    if not isinstance(value, list):
        return ()
    for number, entry in enumerate(cast("list[object]", value)):
        if (place := misfit(entry, shape)) is not None:
            return (number, *place)
    return None


def _misfit_in_names(value: object, shape: Mapping[Any, Any]) -> Place | None:
    if not isinstance(value, dict):
        return ()
    entries = cast("dict[str, object]", value)
    if not _is_unicode("".join(entries)):
        return ()
    if str in shape:
        return _misfit_in_values(entries, shape[str])
    for name, one in shape.items():
        key = name.removesuffix("?")
        if key not in entries:
            if key == name:
                return (name,)
        elif (place := misfit(entries[key], one)) is not None:
            return (key, *place)
    return None


def _misfit_in_values(entries: Mapping[str, object], shape: Shape) -> Place | None:
    if (shape is float or shape is str) and _are_all(entries.values(), shape):
        return None
    for name, value in entries.items():
        if (place := misfit(value, shape)) is not None:
            return (name, *place)
    return None


def _are_all(values: Collection[object], shape: type) -> bool:
    """Whether all values are numbers with a point, or all are texts: told at once, since a journal has many of them."""
    if [*set(map(type, values))] != [shape]:
        return False
    return shape is float or _is_unicode("".join(cast("Collection[str]", values)))
