"""A suite of two short lists over the sample world, for tests."""

from __future__ import annotations

from pathlib import Path

LISTS = {
    "colour": ["#: a __colour__ __subject__ on the beach", "red", "green", "blue"],
    "subject": ["#: a __colour__ __subject__ on the beach", "cat", "house"],
}


def write_small_suite(study: Path, *, seeds: int = 6, more: str = "") -> Path:
    """Write the lists beside a study file and name them there; returns the study file."""
    folder = study.parent / "lists"
    folder.mkdir(exist_ok=True)
    for name, lines in LISTS.items():
        (folder / f"{name}.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    text = study.read_text(encoding="utf-8")
    study.write_text(f'{text}\n[situations]\nsuite = "lists"\nseeds = {seeds}\n{more}', encoding="utf-8")
    return study
