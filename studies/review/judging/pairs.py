"""Which two pictures to show next: one prompt and seed, two recipes, for which the answer gives most information.

Pictures are taken as they are kept, none is made: those of the finalists, the parents and the FLAT mixes on the proof's
shots as they were rendered, and those of the best trials on the search's shots as their contact sheets have them.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.errors import ScorerError
from scorers.features import FloatArray
from scorers.panel.preference import PreferenceFit
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.review.judging.picks import Pick
from studies.store.renders import RenderStore, shots_key

if TYPE_CHECKING:
    from scorers.panel.panel import Panel

MOST_RECIPES = 40
"""The most recipes of one set of shots; the best come first."""
RANDOM_PAIRS = 3000
"""Number of random pairs among which the next one is chosen, and which scale the differences."""
LARGEST_MARGIN = 0.25
"""Pairs whose predicted probability is further from a half than this are not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures of one shot; the sides are drawn from the pair's own name, whatever its scores."""

    left: str
    """Key of the candidate on the left."""
    right: str
    shots: str
    index: int


class Gallery:
    """The pictures that can be shown, and every scorer's contributions to their scores.

    Attributes:
        names: of the scorers, in the order of all differences.
        seed: the study's; pairs are drawn by it.
    """

    def __init__(self, panel: Panel, renders: RenderStore, seed: int) -> None:
        """An empty gallery; ``panel`` is calibrated."""
        self.names = tuple(panel.scales)
        self._panel = panel
        self._renders = renders
        self.seed = seed
        self._shots: dict[str, Sequence[Shot]] = {}
        self._candidates: dict[str, Candidate] = {}
        self._contributions: dict[tuple[str, str], FloatArray] = {}

    def hang(self, candidates: Sequence[Candidate], shots: Sequence[Shot]) -> None:
        """Add the kept pictures of candidates, the best first; those whose features lack something are left out."""
        key = shots_key(shots)
        self._shots[key] = shots
        for one in candidates[:MOST_RECIPES]:
            contributions = self._contributions_of(one, shots)
            if contributions is not None and self._renders.shows(one, shots):
                self._candidates[one.key] = one
                self._contributions[key, one.key] = contributions

    def _contributions_of(self, candidate: Candidate, shots: Sequence[Shot]) -> FloatArray | None:
        """``(n, k)``: every scorer's contribution to every picture's score."""
        kept = self._renders.load(candidate, shots, self._panel.observer.versions)
        if kept is None:
            return None
        try:
            rows = self._panel.contributions(self._panel.reviewed(kept))
        except ScorerError:
            return None  # a scorer cannot judge these pictures: nothing to learn from them
        return np.stack([rows[name] for name in self.names], axis=1)

    def candidate(self, key: str) -> Candidate:
        """The candidate with this key."""
        return self._candidates[key]

    def shot(self, pair: Pair) -> Shot:
        """The shot of both pictures."""
        return self._shots[pair.shots][pair.index]

    def pictures(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """Left and right."""
        shots = self._shots[pair.shots]
        found = [self._renders.picture(self._candidates[key], shots, pair.index) for key in (pair.left, pair.right)]
        left, right = found
        if left is None or right is None:
            what = f"the kept pictures of {pair.left[:8]} or {pair.right[:8]} are gone"
            raise StudyError(what, remedy="start again: other pairs are asked")
        return left, right

    def sample(self, number: int, without: frozenset[Pair]) -> list[Pair]:
        """Pairs drawn at random, the same for the same number, none of ``without``."""
        draw = random.Random(f"{self.seed}:pairs:{number}")  # noqa: S311 - no secret
        every = [
            (shots, one, other, index)
            for shots in self._shots
            for one, other in combinations(sorted(recipe for where, recipe in self._contributions if where == shots), 2)
            for index in range(len(self._shots[shots]))
        ]
        drawn = draw.sample(every, min(RANDOM_PAIRS, len(every)))
        pairs = [sided(shots, one, other, index, self.seed) for shots, one, other, index in drawn]
        return [pair for pair in pairs if pair not in without and self.known(pair)]

    def known(self, pair: Pair) -> bool:
        """Whether both pictures are in the gallery and sound."""
        both = (self._contributions.get((pair.shots, key)) for key in (pair.left, pair.right))
        return all(
            contributions is not None and not np.isnan(contributions[pair.index]).all() for contributions in both
        )

    def differences(self, pairs: Sequence[Pair]) -> FloatArray:
        """``(n, k)``, left minus right in the scorers' units; 0 where a scorer has no value."""
        rows = [
            self._contributions[p.shots, p.left][p.index] - self._contributions[p.shots, p.right][p.index]
            for p in pairs
        ]
        return np.nan_to_num(np.array(rows, dtype=np.float64).reshape(len(rows), len(self.names)))


def sided(shots: str, one: str, other: str, index: int, seed: int) -> Pair:
    """The pair of two recipes, in either order; which is left is decided by a hash of their names alone."""
    first, second = sorted((one, other))
    digest = hashlib.sha256(f"{seed}:{shots}:{index}:{first}:{second}".encode()).digest()
    left, right = (first, second) if digest[0] % 2 else (second, first)
    return Pair(left=left, right=right, shots=shots, index=index)


def pair_of(pick: Pick) -> Pair:
    """The pair that was asked."""
    left = Candidate(recipe=Recipe.parse(pick.left), vae=pick.left_vae)
    right = Candidate(recipe=Recipe.parse(pick.right), vae=pick.right_vae)
    return Pair(left=left.key, right=right.key, shots=pick.shots, index=pick.index)


def most_informative(pairs: Sequence[Pair], differences: FloatArray, taste: PreferenceFit) -> Pair:
    """The pair whose answer informs most about the weights, among those whose answer is open."""
    share = taste.probability(differences)
    information = taste.information(differences)
    open_ones = np.abs(share - 0.5) <= LARGEST_MARGIN
    return pairs[int(np.argmax(np.where(open_ones, information, -1.0) if open_ones.any() else information))]
