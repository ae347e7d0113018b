"""A small study on the sample world, for tests: real checkpoints, few and small pictures."""

from __future__ import annotations

from pathlib import Path

from studies.sample.world import write_world

STUDY = """
[study]
name = "small"
seed = 3

[models]
A = "closeups.safetensors"
B = "lamplight.safetensors"

[target]
references = "references"

[render]
width = 64
height = 64
steps = 2
cfg = 2.0

[[prompts]]
text = "a red cat on the beach"
seeds = [1, 2]

[[prompts]]
text = "a blue house in the city"
seeds = [3, 4]

[proof]
prompts = ["a green tree in the forest", "a yellow face in the mountains"]
seeds = [11, 12]

[space.self]
sites = ["OUT11:attn1"]

[space.adjust]
CONT = [-3, 3]

[search]
groups = {groups}
blocks = 2
self = 2
adjust = 2
refine = 2
finalists = 2

[scorers]
encoder = {{ config = "sample-clip.json", weights = "sample-clip.safetensors" }}
"""


def write_small_study(folder: Path, *, groups: int = 3) -> Path:
    """Write the sample world and a study of it; returns the study file."""
    write_world(folder)
    study = folder / "study.toml"
    study.write_text(STUDY.format(groups=groups), encoding="utf-8")
    return study
