"""The other tools, in environments of their own that ``make tools`` makes: where they are, and how a test starts one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

TOOLS = Path(os.environ.get("RECIPE_SEARCH_TOOLS", Path(__file__).parents[3] / ".venv-tools"))
Tool = Literal["mecha", "mergekit", "meh"]


def tool_program(tool: Tool, program: str = "python") -> Path:
    """A program of a tool's environment; the test is skipped where there is none."""
    place = TOOLS / tool / "bin" / program
    if not place.exists():
        pytest.skip(f"{tool} is not installed: make tools")
    return place


def run_tool(command: Sequence[str | Path], *, folder: Path, seconds: float = 240) -> str:
    """Run a tool in a folder, without the paths of ours, and return what it printed.

    Raises:
        AssertionError: it failed; with all that it printed.
    """
    ours = {"PYTHONPATH", "PYTHONSAFEPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in ours} | {"PYTHONUTF8": "1"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}\n{done.stdout}\n{done.stderr}"
    return done.stdout
