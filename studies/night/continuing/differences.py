"""How two mappings of inputs differ, by name and for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import value_text

SHOT = "shot "
"""What the names of the shots begin with, among the inputs."""


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """How inputs differ, a line each; of shots only the settings that changed, with the shots that they changed in."""
    lines, settings = list[str](), dict[tuple[str, str, str], list[str]]()
    for name in differing(before, now):
        old, new = before.get(name), now.get(name)
        if name.startswith(SHOT) and old and new:
            for key, was, has in _changed_settings(old, new):
                settings.setdefault((key, was, has), []).append(name.removeprefix(SHOT))
        else:
            lines.append(f"  {name}: was {_input_text(name, old)}, is {_input_text(name, new)}")
    for (key, was, has), shots in settings.items():
        lines.append(f"  {key}: was {was}, is {has} (shot{'s' * (len(shots) > 1)} {', '.join(shots)})")
    return lines


def _input_text(name: str, text: str | None) -> str:
    if text is None:
        return "not there"
    if not name.startswith(SHOT):
        return text
    shot = json.loads(text)
    return f'"{shot.get("prompt", "")}", seed {shot.get("seed")}'


def _changed_settings(old: str, new: str) -> Iterator[tuple[str, str, str]]:
    """Name, old and new value of the settings of a shot that changed."""
    was, has = json.loads(old), json.loads(new)
    for key in differing(was, has):
        texts = [value_text(one[key]) if key in one else "not set" for one in (was, has)]
        yield key, texts[0], texts[1]


def panel_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How two panels differ, for people; both as ``Panel.made_of`` has them, ``before`` may be unknown."""
    lines: list[str] = []
    for name in differing(before, now) if before else ():
        old, new = before.get(name), now.get(name)
        if isinstance(old, list) and isinstance(new, list):
            gone, come = len(set(old) - set(new)), len(set(new) - set(old))
            lines.append(f"{name}: {come} new, {gone} gone")
        elif isinstance(old, dict | None) and isinstance(new, dict | None):
            old, new = old or {}, new or {}
            texts = [f"{key} {old.get(key, 'none')} -> {new.get(key, 'none')}" for key in differing(old, new)]
            lines.append(f"{name}: {', '.join(texts)}")
        else:
            lines.append(f"{name}: {old} -> {new}")
    return lines


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names whose values differ between two mappings, sorted."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
