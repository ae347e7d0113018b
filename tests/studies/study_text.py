"""A right study file as text, for tests that break it in one place."""

from __future__ import annotations

from pathlib import Path

STUDY = """\
[study]
name = "mix"

[models]
A = "a.safetensors"
B = "b.safetensors"

[target]
references = "wanted"

[render]
width = 64
height = 64
steps = 4
cfg = 5
negative = "blurry"

[[prompts]]
text = "a cat on grass"
seeds = [1, 2]

[[prompts]]
text = "a house"
negative = "people"
seeds = [3]

[proof]
seeds = [101, 102]

[space.self]
sites = ["OUT05:attn1"]

[space.adjust]
CONT = [-5, 5]

[search]
groups = 2
blocks = 3
self = 1
adjust = 1
refine = 2
finalists = 2

[scorers]
encoder = { config = "clip.json", weights = "clip.safetensors" }
"""


def write_study(folder: Path, text: str = STUDY, **replaced: str) -> Path:
    """Write `study.toml`; every keyword replaces one line of the text that begins with its name and an equals sign."""
    for name, value in replaced.items():
        before = text
        lines = [f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
        assert text != before, f"no line begins with {name}"
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path
