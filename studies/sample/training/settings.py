"""How much each stage of the training does, on a processor of two cores and on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from studies.sample.training.pictures import SIDE
from studies.sample.training.run import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """Drawings, steps and batch of a stage."""

    schedule: Schedule
    drawings: int
    batch: int
    """Pictures a step; for the VAE crops of 64 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The stages.

    All UNets are trained on the base's drawings, CLIP and classifier on CLIP's, VAE and decoder on the VAE's.
    """

    vae: StageSettings
    decoder: StageSettings
    base: StageSettings
    pair: StageSettings
    clip: StageSettings
    classifier: StageSettings
    side: int = SIDE
    """Side of the pictures, in pixels."""


PROCESSOR = Settings(
    vae=StageSettings(schedule=Schedule(steps=5000, peak=1e-3), drawings=6000, batch=8),
    decoder=StageSettings(schedule=Schedule(steps=4000, peak=5e-4), drawings=6000, batch=2),
    base=StageSettings(schedule=Schedule(steps=2600, peak=1e-3), drawings=16_000, batch=32),
    pair=StageSettings(schedule=Schedule(steps=3000, peak=5e-4), drawings=16_000, batch=24),
    clip=StageSettings(schedule=Schedule(steps=2500, peak=1e-3), drawings=6000, batch=64),
    classifier=StageSettings(schedule=Schedule(steps=1500, peak=2e-3), drawings=6000, batch=64),
)
"""For two cores and about three hours."""
GPU = Settings(
    vae=StageSettings(schedule=Schedule(steps=2000, peak=2e-3), drawings=6000, batch=64),
    decoder=StageSettings(schedule=Schedule(steps=1500, peak=1e-3), drawings=6000, batch=16),
    base=StageSettings(schedule=Schedule(steps=3500, peak=2e-3), drawings=16_000, batch=256),
    pair=StageSettings(schedule=Schedule(steps=2000, peak=1e-3), drawings=16_000, batch=256),
    clip=StageSettings(schedule=Schedule(steps=1000, peak=1e-3), drawings=6000, batch=256),
    classifier=StageSettings(schedule=Schedule(steps=500, peak=2e-3), drawings=6000, batch=256),
)
"""For a GPU and twelve minutes: fewer and larger steps."""
