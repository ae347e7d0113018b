"""Mistakes of a study file, in words: one line each, with the place, the value seen and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from engine.errors import did_you_mean
from studies.errors import StudyError

Place = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a value."""

MISSING = object()
"""Stands for a value that is not there."""

OWN_ERROR = "recipe_search"
"""Type of the errors that our own validators raise; their context holds `what` and `remedy`."""

_WANTED = {
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong in a study file."""

    place: Place
    what: str
    """What is wrong, without the place and the value."""
    seen: object = MISSING
    remedy: str

    def line(self, file: str) -> str:
        """Return `file.toml: key.path: what is wrong (value seen); way out`."""
        seen = "" if self.seen is MISSING else f" ({shown(self.seen)})"
        where = f"{file}: {path_text(self.place)}: " if self.place else f"{file}: "
        return f"{where}{self.what}{seen}; {self.remedy}"


def path_text(place: Place) -> str:
    """Return `prompts[2].seeds[1]`; list entries are counted from 1, as people do."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: object, limit: int = 60) -> str:
    """Return a value as TOML would write it, cut when long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, list):
        text = "[" + ", ".join(shown(entry) for entry in value) + "]"
    elif isinstance(value, dict):
        text = "{ " + ", ".join(f"{key} = {shown(entry)}" for key, entry in value.items()) + " }"
    else:
        text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def own_error(what: str, remedy: str) -> PydanticCustomError:
    """Return the error that a validator of ours raises."""
    return PydanticCustomError(OWN_ERROR, "{what}; {remedy}", {"what": what, "remedy": remedy})


def raise_all(file: str, mistakes: Sequence[Mistake]) -> None:
    """Raise one error with a line per mistake, or return when there is none.

    Raises:
        StudyError: there is at least one mistake.
    """
    if len(mistakes) == 1:
        raise StudyError(mistakes[0].line(file))
    if mistakes:
        lines = "\n".join(mistake.line(file) for mistake in mistakes)
        raise StudyError(f"{file} has {len(mistakes)} mistakes:\n{lines}")


def from_pydantic(model: type[BaseModel], error: ValidationError, base: Place) -> list[Mistake]:
    """Return what pydantic found, in our words.

    Args:
        model: the model of the whole file, which knows every key's example.
        error: what pydantic raised for the value at `base`.
        base: place of that value in the file.
    """
    return [_mistake(model, details, base) for details in error.errors(include_url=False)]


def _mistake(model: type[BaseModel], details: ErrorDetails, base: Place) -> Mistake:
    loc: Place = tuple(part for part in details["loc"] if part != "[key]")
    kind, context = details["type"], details.get("ctx", {})
    place = (*base, *loc)
    owner, field = _field_at(model, place)
    if kind == "extra_forbidden":
        known = list(_fields(owner)) if owner else []
        return Mistake(place=place, what="unknown key", seen=details["input"], remedy=did_you_mean(str(loc[-1]), known))
    remedy = _example(owner, field, place)
    if kind == "missing":
        return Mistake(place=place, what="is missing", remedy=remedy)
    if kind == OWN_ERROR:
        return Mistake(place=place, what=context["what"], seen=details["input"], remedy=context["remedy"])
    return Mistake(place=place, what=_what(kind, context, details["msg"]), seen=details["input"], remedy=remedy)


def _what(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{words} {context[name]:g}"
    if kind == "too_short":
        return f"needs at least {context['min_length']} {'entry' if context['min_length'] == 1 else 'entries'}"
    if kind == "too_long":
        return f"takes at most {context['max_length']} entries"
    if kind == "string_too_short":
        return "must not be empty"
    return message.removeprefix("Value error, ")


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
        return "correct it, or leave it out"
    name = [part for part in place if isinstance(part, str)][-1]
    itself = owner is not None and _fields(owner).get(name) is field
    return f"write for example {name} = {shown(field.examples[0 if itself else -1])}"
