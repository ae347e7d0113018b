"""Results as files of JSON: written at once or not at all, read again with their shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.files import write_text
from studies.store.shapes import Shape, read_json


def write_result(path: Path, value: Mapping[str, Any]) -> Path:
    """Write a result; its folder is made if need be. Returns the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    return path


def kept_result(path: Path, shape: Shape, remedy: str) -> dict[str, Any] | None:
    """Return what a file of a result holds; None where there is none.

    Args:
        path: of the file.
        shape: what it must look like.
        remedy: the way out where it is damaged.

    Raises:
        StudyError: the file is damaged.
    """
    return dict(read_json(path, shape, remedy)) if path.is_file() else None
