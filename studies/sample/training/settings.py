"""How much each stage of the training does, on a processor of two cores and on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from studies.sample.training.run import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """Drawings, steps and batch of a stage."""

    schedule: Schedule
    drawings: int
    batch: int
    """Pictures a step; crops of 64 pixels for the VAE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The stages."""

    vae: StageSettings


PROCESSOR = Settings(vae=StageSettings(schedule=Schedule(steps=16_000, peak=1e-3), drawings=6000, batch=8))
"""For two cores and many hours."""
GPU = Settings(vae=StageSettings(schedule=Schedule(steps=3000, peak=2e-3), drawings=6000, batch=64))
"""For a GPU and twelve minutes: fewer and larger steps."""
