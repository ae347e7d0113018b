"""Nights whose time is made up: the night's own loop, storage, suggester and scorers, on a clock that pictures move."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from studies.limits.deadline import Clock, NightLimits
from studies.night.night import Night
from studies.store.judged.outcome import Outcome
from studies.studyfile.spec import StudySpec

START = 1_800_000_000.0
"""When simulated nights begin, in seconds since 1970."""

Speed = Callable[["SimulatedDevice", Sequence[Shot]], float]
"""Seconds that some pictures take."""


@dataclass(slots=True, kw_only=True)
class SimulatedDevice:
    """A device that makes up pictures, and says what time they took."""

    speed: Speed
    build_s: float = 1.0
    """Seconds that a recipe takes to be built."""
    proof: frozenset[Shot] = frozenset()
    """The held-out shots, whose pictures may take longer."""
    now: float = START
    rendered: int = 0
    """Pictures so far."""
    recipe: str = ""
    calls: list[tuple[float, int, bool]] = field(default_factory=list[tuple[float, int, bool]])
    """Every rendering: when it ended, how many pictures, whether they were of the proof."""

    @property
    def clock(self) -> Clock:
        """The clock that pictures, and waiting, move."""
        return Clock(now=lambda: self.now, sleep=self.wait)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def build(self, recipe: Recipe) -> None:
        """Stand in for `Engine.build`."""
        self.recipe = recipe.key
        self.now += self.build_s

    def render(self, shots: Sequence[Shot]) -> Tensor:
        """Stand in for `Engine.render`: smooth pictures of colours that the recipe and the shot decide."""
        self.now += self.speed(self, shots)
        self.rendered += len(shots)
        self.calls.append((self.now, len(shots), shots[0] in self.proof))
        return torch.cat([self._picture(shot) for shot in shots])

    def _picture(self, shot: Shot) -> Tensor:
        digest = hashlib.sha256(f"{self.recipe} {shot.key}".encode()).digest()
        colours = torch.tensor(list(digest[:27]), dtype=torch.float32).reshape(1, 3, 3, 3) / 255
        size = (shot.picture_size[1], shot.picture_size[0])
        smooth = torch.nn.functional.interpolate(colours, size=size, mode="bilinear", align_corners=True)
        grain = torch.rand(smooth.shape, generator=torch.Generator().manual_seed(digest[27]))
        return (smooth + 0.3 * (grain - 0.5)).clamp(0, 1)


def simulated(
    spec: StudySpec,
    device: SimulatedDevice,
    monkeypatch: pytest.MonkeyPatch,
    limits: NightLimits,
    *,
    console: Console | None = None,
    guess: float | None = None,
) -> Outcome | None:
    """Run a night of a study on a simulated device."""
    device.proof = frozenset(spec.shots.proof)
    with monkeypatch.context() as patched:
        patched.setattr(Engine, "build", device.build)
        patched.setattr(Engine, "render", device.render)
        quiet = console or Console(quiet=True)
        return Night(spec, quiet, limits=limits, clock=device.clock, guess=guess).run()


def trials_by_stage(folder: Path, name: str) -> dict[str, int]:
    """Count a study's trials."""
    from collections import Counter

    from studies.store.storage import StudyStore

    return dict(Counter(record.stage for record in StudyStore(folder, name).history()))
