"""One training run that can be stopped at any moment and goes on where its last save was.

Everything random in a step comes from a generator that is seeded by the step's number, so a run that was stopped and
taken up gives the numbers of one that was not.
"""

# pyright: reportPrivateUsage=false
# torch's own optimisers are written with torch._foreach_lerp_, which has no public name.

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.files import replaced

log = logging.getLogger(__name__)

REPORT_EVERY = 50
"""Steps between two lines of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How many steps a run takes, and how far each goes."""

    steps: int
    peak: float
    """The learning rate between warm-up and decay."""
    warm_up: int = 100
    """Steps in which the learning rate rises from 0."""
    decay: float = 0.25
    """Share of the steps, the last ones, in which it falls to a hundredth along a cosine.

    A run whose number of steps changes while it is at its peak loses nothing, unlike with a cosine over all steps.
    """
    average: float = 0.999
    """Decay of the moving average of the weights, which is a run's result."""

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        falling = max(1, round(self.decay * self.steps))
        left = min(1.0, (self.steps - step) / falling)
        return self.peak * min(1.0, (step + 1) / self.warm_up) * (0.01 + 0.99 * 0.5 * (1 - math.cos(math.pi * left)))


@dataclass(slots=True)
class Figures:
    """What a run took and gave."""

    steps: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    """Mean loss of about the last 50 steps."""


class TrainingRun:
    """Modules with their optimiser, moving averages and figures, kept in one file."""

    def __init__(
        self, path: Path, modules: Mapping[str, nn.Module], schedule: Schedule, *, seed: int, save_every: float = 120.0
    ) -> None:
        """Begin a run, or take up the one that ``path`` holds.

        Args:
            path: the run's file.
            modules: what is trained: their parameters with ``requires_grad``. Already on their device.
            schedule: steps and learning rates.
            seed: of everything random.
            save_every: seconds between two saves.
        """
        self.path, self.modules, self.schedule = path, modules, schedule
        self.seed, self.save_every = seed, save_every
        self.parameters = {
            f"{name}.{key}": parameter
            for name, module in modules.items()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self.device = next(iter(self.parameters.values())).device
        self.averages = {key: parameter.detach().clone() for key, parameter in self.parameters.items()}
        self.optimiser = torch.optim.AdamW(self.parameters.values(), lr=0.0, betas=(0.9, 0.99), weight_decay=1e-3)
        self.figures = Figures()
        if path.exists():
            self._load()

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.figures.steps >= self.schedule.steps

    def run(self, loss_of: Callable[[int, torch.Generator], torch.Tensor], until: int | None = None) -> None:
        """Take the steps that are left, or those before the step ``until``; save now and then, and at the end.

        ``loss_of`` gets the step's number, from 0, and its generator, and returns the loss.
        """
        last = min(self.schedule.steps, self.schedule.steps if until is None else until)
        if self.figures.steps >= last:
            return
        saved = time.monotonic()
        while self.figures.steps < last:
            self._step(loss_of)
            if time.monotonic() - saved > self.save_every:
                self.save()
                saved = time.monotonic()
        self.save()

    def use_averages(self) -> None:
        """Put the moving averages into the modules, which ends the training of these objects."""
        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(self.averages[key])

    def save(self) -> None:
        """Write the run's file."""
        state = {
            "parameters": {key: parameter.detach() for key, parameter in self.parameters.items()},
            "averages": self.averages,
            "optimiser": self.optimiser.state_dict(),
            "figures": asdict(self.figures),
        }
        with replaced(self.path) as temporary:
            torch.save(state, temporary)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.path, weights_only=True, map_location=self.device)
        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][key])
        self.averages = state["averages"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.figures = Figures(**state["figures"])

    def _step(self, loss_of: Callable[[int, torch.Generator], torch.Tensor]) -> None:
        step, began = self.figures.steps, time.monotonic()
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(step)
        loss = loss_of(step, torch.Generator(self.device).manual_seed(1_000_003 * self.seed + step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._average(step)
        self._count(loss.item(), time.monotonic() - began)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        keep = min(self.schedule.average, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.averages.values()), list(self.parameters.values()), 1 - keep)

    def _count(self, loss: float, seconds: float) -> None:
        figures = self.figures
        figures.steps += 1
        figures.seconds += seconds
        figures.loss = loss if math.isnan(figures.loss) else 0.98 * figures.loss + 0.02 * loss
        if figures.steps % REPORT_EVERY == 0:
            name, pace = self.path.stem, figures.seconds / figures.steps
            log.info("%s %d/%d loss %.4f, %.3f s a step", name, figures.steps, self.schedule.steps, figures.loss, pace)


def averages_of(path: Path, module: str) -> dict[str, torch.Tensor]:
    """Read the moving averages of one module from a run's file."""
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return {
        key.removeprefix(f"{module}."): tensor
        for key, tensor in state["averages"].items()
        if key.startswith(f"{module}.")
    }


def figures_of(paths: list[Path]) -> str:
    """Return the figures of runs as JSON, by the names of their files."""
    figures = {path.stem: torch.load(path, weights_only=True, map_location="cpu")["figures"] for path in paths}
    return json.dumps(figures, indent=1) + "\n"
