"""What a night hands on once its proof is made: to whatever a study wants done with its first finalist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from studies.night.workshop import Workshop
from studies.store.judged.outcome import Outcome
from studies.store.storage import StudyStore
from studies.studyfile.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedNight:
    """A night after its proof, with everything still open."""

    spec: StudySpec
    workshop: Workshop
    """Its panel is calibrated."""
    store: StudyStore
    hashes: Mapping[str, str]
    """SHA-256 of the models, by letter."""
    outcome: Outcome
    console: Console
    left_s: float
    """Seconds until the night has to end; infinite without a limit."""
    picture_s: float
    """Seconds that a picture takes."""
    limits_pictures: bool
    """Whether the night may make so many pictures only."""


Afterwards = Callable[[ProvedNight], None]
"""What is done at a night's end. What it raises is said, and costs the night nothing: the outcome is kept by then."""


def nothing_afterwards(_: ProvedNight) -> None:
    """Do nothing more."""
