"""Numbers in reports beside a recipe's score: distances of its pictures from the references, and an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorers.features import Features
from scorers.reporting.leak import drift_alarm, drifts
from scorers.reporting.mmd import cmmd, polynomial_mmd
from scorers.scoring.direction import ReferenceDirection

Embeddings = npt.NDArray[np.float32]
"""Embeddings, ``(n, d)`` float32."""
FEWEST_SLOTS = 4
"""The fewest slots that all baselines have in common for a drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceDistance:
    """Distances for the report; none of them is part of the objective.

    Attributes:
        cmmd: unbiased CMMD to the references, in the panel's encoder; 0 for equal distributions, so noise can make it
            negative; None with fewer than two pictures or references.
        polynomial_mmd: the same with KID's kernel.
        drift: how far the pictures moved aside from the direction to the references, squared, in units of the largest
            among parents and FLAT mixes; None where that cannot be measured.
        alarm: what a person should check in the pictures, or "".
    """

    cmmd: float | None
    polynomial_mmd: float | None
    drift: float | None
    alarm: str


def reference_distances(
    recipes: Mapping[str, Features],
    references: Features,
    baselines: Sequence[str],
    embedding: str | None,
    direction: ReferenceDirection | None,
) -> dict[str, ReferenceDistance]:
    """Measure recipes on the same slots.

    Args:
        recipes: label to features; broken pictures are left out.
        references: features of the reference pictures.
        baselines: labels of parents and FLAT mixes.
        embedding: name of the embedding for the discrepancies, CLIP's; None leaves them out.
        direction: to the references, for the drift; None leaves it out.
    """
    intact = {label: features.take(features.intact) for label, features in recipes.items()}
    drift = {} if direction is None else _drifts(intact, baselines, direction)
    if embedding is None:
        return {label: ReferenceDistance(cmmd=None, polynomial_mmd=None, drift=None, alarm="") for label in intact}
    target = references.embedding(embedding)
    return {label: _distance(f.embedding(embedding), target, drift.get(label)) for label, f in intact.items()}


def _distance(own: Embeddings, target: Embeddings, drift: float | None) -> ReferenceDistance:
    enough = min(len(own), len(target)) > 1
    return ReferenceDistance(
        cmmd=cmmd(own, target) if enough else None,
        polynomial_mmd=polynomial_mmd(own, target) if enough else None,
        drift=drift,
        alarm="" if drift is None else drift_alarm(drift),
    )


def _drifts(
    recipes: Mapping[str, Features], baselines: Sequence[str], direction: ReferenceDirection
) -> dict[str, float]:
    """Drift of every recipe that has the baselines' slots; empty where these have too few in common."""
    shared = set.intersection(*(set(recipes[label].slots) for label in baselines))
    slots = [slot for slot in recipes[baselines[0]].slots if slot in shared]
    whole = {label: f for label, f in recipes.items() if shared <= set(f.slots)}
    if len(slots) < FEWEST_SLOTS:
        return {}
    rows = {label: [f.slots.index(slot) for slot in slots] for label, f in whole.items()}
    style_features = {label: direction.features(f.take(rows[label])) for label, f in whole.items()}
    return drifts(style_features, baselines, direction.direction)
