"""The tables of keys in this folder's README.md, made from the schema.

``python -m studies.studyfile.reference`` prints them; with ``--write`` they go into the README, between its two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import value_text
from engine.files import write_text
from studies.studyfile.tables.schema import StudyTables

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- Made by `python -m studies.studyfile.reference --write`; change the schema, not these tables. -->\n"
"""The line of the README after which the tables begin."""
END = "<!-- End of the tables. -->\n"
"""The line of the README before which they end."""
HEAD = "| key | value | default | what it means |\n|---|---|---|---|\n"
LARGE = 2**31
"""Limits from here on are printed as powers of two."""
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
"""What a person writes, by its type in a JSON schema."""

Schema = Mapping[str, Any]
"""A JSON schema, or a part of one."""


def key_tables() -> str:
    """Return Markdown: a heading, a sentence and a table of keys for every table of a study file."""
    whole = StudyTables.model_json_schema()
    return "\n".join(
        section
        for name, field in whole["properties"].items()
        for section in _sections(name, field, whole["$defs"], many=field.get("type") == "array")
    )


def readme_with(text: str, tables: str) -> str:
    """Return the README's text with these tables between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{README}: a mark is missing; write these two lines around the tables:\n{BEGIN}{END}")
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def _sections(name: str, field: Schema, models: Schema, *, many: bool = False) -> Iterator[str]:
    """Yield the section of a table, then those of the tables inside it."""
    schema = models[_model(field["items"] if many else field) or ""]
    keys, inner = {}, {}
    for key, value in schema["properties"].items():
        (inner if _model(value) and "accepts" not in value else keys)[key] = value
    required = schema.get("required", ())
    rows = "".join(_row(key, value, required=key in required) for key, value in keys.items())
    title = f"[[{name}]]" if many else f"[{name}]"
    yield f"### `{title}`\n\n{_text(field)}\n" + (f"\n{HEAD}{rows}" if rows else "")
    for key, value in inner.items():
        yield from _sections(f"{name}.{key}", value, models)


def _model(field: Schema) -> str | None:
    """Return the name of the model that a value is; None for values of other types."""
    for option in (field, *field.get("anyOf", ())):
        if "$ref" in option:
            return option["$ref"].rpartition("/")[2]
    return None


def _row(key: str, field: Schema, *, required: bool) -> str:
    default = field.get("default")
    given = "required" if required else "" if default in (None, [], {}) else f"`{value_text(default, limit=200)}`"
    cells = (f"`{key}`", field.get("accepts") or _value(field), given, _text(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _text(field: Schema) -> str:
    return " ".join(field["description"].split())


def _value(field: Schema, *, plural: str = "") -> str:
    """Return what a person writes for a value, such as `number, 0 to 1` or `list of texts`."""
    for option in field.get("anyOf", ()):
        if option["type"] != "null":
            return _value(option, plural=plural)
    kind = field.get("type")
    if kind == "array":
        count = f"{field['minItems']} to {field['maxItems']} " if field.get("maxItems", 20) < 20 else ""
        return f"list{plural} of {count}{_value(field['items'], plural='s')}"
    if kind == "object":
        entries = field["additionalProperties"]
        return f"table of {_value(entries, plural='s')}" if entries is not True else "table"
    return f"{TYPES[str(kind)]}{plural}{_limits(field)}"


def _limits(field: Schema) -> str:
    low, high = (field.get(name, field.get(other)) for name, other in (("minimum", "ge"), ("maximum", "le")))
    return "" if low is None or high is None else f", {_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if isinstance(value, int) and value >= LARGE and value & (value + 1) == 0:
        return f"2^{value.bit_length()} - 1"
    return f"{value:.6f}".rstrip("0").rstrip(".")


def main() -> None:
    """Print the tables, or with ``--write`` put them into the README."""
    tables = key_tables()
    if sys.argv[1:] == ["--write"]:
        write_text(README, readme_with(README.read_text(encoding="utf-8"), tables))
    else:
        sys.stdout.write(tables)


if __name__ == "__main__":
    main()
