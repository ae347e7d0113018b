"""The examples run as they ship: each in a process and an empty folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[3]
WITHOUT_TORCH = "import sys; sys.modules |= dict.fromkeys(('torch', 'PIL', 'optuna'))\n"
"""Importing any of these is an error from then on."""


def printed(name: str, folder: Path, before: str = "") -> str:
    """Run an example in a folder; return what it prints."""
    code = f"{before}import runpy; runpy.run_module('studies.sample.examples.{name}', run_name='__main__')"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_engine_in_ten_lines(tmp_path: Path) -> None:
    text = printed("engine_in_ten_lines", tmp_path)
    assert "alpha = 0.35" in text
    assert "picture-1.png shows 'a blue cat in the forest', seed 4\n" in text
    pictures = [np.asarray(Image.open(tmp_path / f"picture-{number}.png"), dtype=float) for number in (1, 2)]
    assert [picture.shape for picture in pictures] == [(128, 128, 3)] * 2
    cat, house = (picture[48:80, 48:80].mean((0, 1)) for picture in pictures)
    assert cat[2] - cat[0] > house[2] - house[0] + 30, "the cat is blue, the house is red"


def test_a_scorer_of_your_own(tmp_path: Path) -> None:
    text = printed("own_scorer", tmp_path)
    warm = [float(number) for number in re.findall(r"own_scorer\.py:Warm: ([+-][\d.]+) in its own unit", text)]
    style = [float(number) for number in re.findall(r"style: ([+-][\d.]+) in its own unit", text)]
    assert len(warm) == len(style) == 2
    assert warm[0] != warm[1]
    assert all(-1 < value < 1 for value in warm)
    assert all(value < 0 for value in style), "style is minus a distance"
    assert re.findall(r"^(\w+): objective [+-]\d", text, re.MULTILINE) == ["FLAT_25", "FLAT_75"]


def test_an_objective_of_your_own_needs_no_torch_and_is_found(tmp_path: Path) -> None:
    text = printed("own_objective", tmp_path, before=WITHOUT_TORCH)
    found = re.findall(r"(\w+): ([\d.]+), and the optimum is ([\d.]+)", text)
    assert [block for block, _, _ in found] == ["IN04", "OUT05", "OUT08"]
    assert all(abs(float(ratio) - float(optimum)) <= 0.02 for _, ratio, optimum in found)
    assert 'kind = "merge"' in text
    assert [*tmp_path.iterdir()] == []
