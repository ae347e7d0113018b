"""The JSON files of a study: read so that a damaged one is told in a sentence, and checked for their shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    if isinstance(shape, tuple):
        places = [misfit(value, one) for one in shape]
        return None if None in places else max(filter(None, places), key=len, default=())
    if isinstance(shape, list):
        return _misfit_in_list(value, shape[0])
    if isinstance(shape, Mapping):
        return _misfit_in_names(value, shape)
    return None if _is_plain(value, shape) else ()


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
    if not isinstance(value, dict) or not all(_is_unicode(name) for name in cast("dict[str, object]", value)):
        return ()
    entries = cast("dict[str, object]", value)
    if str in shape:
        shapes = dict.fromkeys(entries, shape[str])
    else:
        named = {name.removesuffix("?"): (name, one) for name, one in shape.items()}
        shapes = {key: one for key, (name, one) in named.items() if key in entries or key == name}
    for name, one in shapes.items():
        if name not in entries:
            return (name,)
        if (place := misfit(entries[name], one)) is not None:
            return (name, *place)
    return None
