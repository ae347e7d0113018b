"""What a report says of a recipe beside its score: how near its pictures lie to the references, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorers.features import Features
from scorers.reporting.leak import drift_alarm, drifts
from scorers.reporting.mmd import cmmd, polynomial_mmd
from scorers.scoring.direction import Way

Embeddings = npt.NDArray[np.float32]
FEWEST_SLOTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Numbers for the report; none of them is searched.

    Attributes:
        cmmd: unbiased CMMD to the references, in the panel's encoder; 0 is equal, a little below is noise; None with
            fewer than two pictures or references.
        polynomial_mmd: the same with KID's kernel.
        drift: how far the pictures moved aside from the way to the references, squared, in units of the most that a
            parent or FLAT mix does; None where that cannot be measured.
        alarm: what a person should look at, or "".
    """

    cmmd: float | None
    polynomial_mmd: float | None
    drift: float | None
    alarm: str


def likenesses(
    looks: Mapping[str, Features],
    references: Features,
    baselines: Sequence[str],
    embedding: str | None,
    way: Way | None,
) -> dict[str, Likeness]:
    """Measure recipes on equal slots.

    Args:
        looks: label to features; broken pictures are left out.
        references: of the look.
        baselines: labels of parents and FLAT mixes.
        embedding: the one in which the discrepancies are taken, CLIP's; None leaves them out.
        way: to the references, for the drift; None leaves it out.
    """
    sound = {label: features.take(features.sound) for label, features in looks.items()}
    drift = {} if way is None else _drifts(sound, baselines, way)
    if embedding is None:
        return {label: Likeness(cmmd=None, polynomial_mmd=None, drift=None, alarm="") for label in sound}
    target = references.embedding(embedding)
    return {label: _likeness(f.embedding(embedding), target, drift.get(label)) for label, f in sound.items()}


def _likeness(own: Embeddings, target: Embeddings, drift: float | None) -> Likeness:
    enough = min(len(own), len(target)) > 1
    return Likeness(
        cmmd=cmmd(own, target) if enough else None,
        polynomial_mmd=polynomial_mmd(own, target) if enough else None,
        drift=drift,
        alarm="" if drift is None else drift_alarm(drift),
    )


def _drifts(sound: Mapping[str, Features], baselines: Sequence[str], way: Way) -> dict[str, float]:
    """Drift of every recipe that has the baselines' slots; nothing where these have too few in common."""
    shared = set.intersection(*(set(sound[label].slots) for label in baselines))
    slots = [slot for slot in sound[baselines[0]].slots if slot in shared]
    whole = {label: f for label, f in sound.items() if shared <= set(f.slots)}
    if len(slots) < FEWEST_SLOTS:
        return {}
    rows = {label: [f.slots.index(slot) for slot in slots] for label, f in whole.items()}
    return drifts({label: way.look(f.take(rows[label])) for label, f in whole.items()}, baselines, way.direction)
