"""The judge: fitted scorers, their units, and the base recipe that values are measured from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scorers.base import Scorer
from scorers.errors import ScorerError
from scorers.extraction.guards import infeasible
from scorers.features import Features, Slot, Values, joined
from scorers.panel.calibration import Scale, contributions_of, mean_contribution, measure_scale
from scorers.panel.penalties import MAX_PENALTY, Collapse, Hinge, PicturePenalty
from scorers.panel.verdict import (
    CONFIDENCE,
    PairedDifference,
    Penalty,
    ScaledScore,
    ScoreEstimate,
    Verdict,
    degrees_of_freedom,
    influence,
    jackknife,
    paired_difference,
)
from scorers.scoring.aspects import FLOORED, PARETO, ROOM, aspect_of

BASE = "FLAT_50"
"""Label of the calibration recipe that values are measured from."""
PARENTS = ("A", "B")
"""Labels of the calibration recipes that floors are set by."""
FLOOR = -MAX_PENALTY
"""The least scaled score, so that one catastrophe does not flatten the rest for a surrogate model of the objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relative:
    """A scorer's value of a recipe relative to the base, in the scorer's own units.

    Attributes:
        raw: mean contribution.
        difference: from the base.
        influences: of the pictures on ``difference``, ``(n,)``; see ``scorers.panel.verdict.influence``.
    """

    raw: float
    difference: float
    influences: Values


class Judge:
    """Judges recipes with scorers that are already fitted.

    Attributes:
        recipes: the calibration recipes: same slots in the same order, broken pictures left out.
        base_labels, bases: the recipes that values are measured from: FLAT_50, or all calibration recipes.
        known_slots: the slots for which the bases' pictures are known, broken ones too.
        scales: by scorer.
    """

    def __init__(
        self,
        scorers: Sequence[Scorer],
        scales: Mapping[str, Scale],
        penalties: Sequence[PicturePenalty],
        collapse: Collapse | None,
        recipes: Mapping[str, Features],
    ) -> None:
        """All are fitted to ``recipes``; ``collapse`` is None where there is no embedding."""
        self.recipes = recipes
        self.base_labels = (BASE,) if BASE in recipes else tuple(recipes)
        self.bases = self._all_bases = tuple(recipes[label] for label in self.base_labels)
        self.known_slots = set(self.bases[0].slots)
        self.scales = scales
        self._scorers = tuple(scorers)
        self._picture_penalties = tuple(penalties)
        self._collapse = collapse
        self._floors = {s.name: self._floor(s) for s in scorers if aspect_of(s) in FLOORED and scales[s.name].weight}
        self._collapse_limit = self._limit_of_collapse(collapse) if collapse else None

    def add_slots(self, pictures: Mapping[str, Features]) -> None:
        """See ``Panel.add_slots``."""
        missing = [label for label in self.base_labels if label not in pictures]
        if missing:
            raise ScorerError(f"further pictures of {', '.join(missing)} are missing")
        added = [pictures[label] for label in self.base_labels]
        if len({features.slots for features in added}) > 1 or self.known_slots & set(added[0].slots):
            raise ScorerError("further pictures of the bases must be of the same new slots")
        self.known_slots |= set(added[0].slots)
        intact = [row for row in range(len(added[0])) if not any(features.broken[row] for features in added)]
        pairs = zip(self._all_bases, added, strict=True)
        self._all_bases = tuple(joined([base, new.take(intact)]) for base, new in pairs)

    def _floor(self, scorer: Scorer) -> Hinge:
        """One unit below the worse parent; below the worst calibration recipe where there are no parents."""
        known = [label for label in PARENTS if label in self.recipes] or list(self.recipes)
        sigma = self.scales[scorer.name].sigma
        worst = min(self._relative(scorer, self.recipes[label], self.bases).difference for label in known) / sigma
        return Hinge(name=scorer.name, limit=ROOM - worst, unit=-sigma)

    def _limit_of_collapse(self, collapse: Collapse) -> Hinge:
        """Two standard deviations of calibration above the base, or as much as any of its recipes or the references."""
        unit = max(measure_scale(collapse, 0.0, self.recipes).sigma, collapse.least)
        measured = [self._relative(collapse, recipe, self.bases) for recipe in self.recipes.values()]
        base = measured[0].raw - measured[0].difference
        rises = [collapse.references - base, *(one.difference for one in measured)]
        return Hinge(name=collapse.name, limit=max(2.0, max(rises) / unit), unit=unit)

    def judge(self, features: Features) -> Verdict:
        """See ``Panel.judge``."""
        reasons = infeasible(features)
        if reasons:
            return Verdict(value=None, scores={}, reasons=reasons, standard_error=None)
        return self._judged(features)[0]

    def pseudo_values(self, features: Features) -> Values:
        """See ``Panel.pseudo_values``."""
        verdict, influences = self._judged(features)
        return (verdict.value or 0.0) + (len(influences) - 1) * influences

    def _judged(self, features: Features) -> tuple[Verdict, Values]:
        """The verdict on a feasible recipe, and the influence of every picture on its value."""
        used, bases = self._paired(features)
        relative = {scorer.name: self._relative(scorer, used, bases) for scorer in self._scorers}
        scores = {name: _scaled_score(self.scales[name], one) for name, one in relative.items()}
        influences = {name: one.influences for name, one in relative.items()}
        penalties, influences_of_penalties = self._penalties(used, bases, relative)
        total = sum(self.scales[name].counts * score.scaled for name, score in scores.items())
        remarks = tuple(
            f"seed {seed}: {why}" for (_, seed), why in zip(features.slots, features.broken, strict=True) if why
        )
        whole = self._weighted(influences) - influences_of_penalties
        verdict = Verdict(
            value=total - sum(penalty.amount for penalty in penalties),
            scores=scores,
            reasons=remarks,
            standard_error=jackknife(whole),
            pictures=len(used),
            freedom=degrees_of_freedom(len(used), used.weights),
            penalties=penalties,
            aspects=self._aspects(scores, influences, used.weights),
        )
        return verdict, whole

    def _paired(self, features: Features) -> tuple[Features, tuple[Features, ...]]:
        """The intact pictures of slots that the bases have, and the bases' pictures of these slots.

        A base lacks the slots where its own picture, or that of some calibration recipe, is broken. With fewer than two
        such slots, all intact pictures, and the bases as calibration had them.
        """
        used = features.take(features.intact)
        if len(used) < 2:
            raise ScorerError(f"{len(used)} intact picture(s)", remedy="at least 2 are needed to judge a recipe")
        known = {slot: row for row, slot in enumerate(self._all_bases[0].slots)}
        shared = [row for row, slot in enumerate(used.slots) if slot in known]
        if len(shared) < 2:
            return used, self.bases
        used = used.take(shared)
        return used, tuple(base.take([known[slot] for slot in used.slots]) for base in self._all_bases)

    def _relative(self, scorer: Scorer, used: Features, bases: tuple[Features, ...]) -> _Relative:
        """A scorer's value relative to the bases: picture by picture on the same slots, else mean from mean."""
        own = contributions_of(scorer, used)
        base = np.mean([contributions_of(scorer, features) for features in bases], axis=0)
        paired = used.slots == bases[0].slots
        differences = own - base if paired else own - mean_contribution(scorer, base, bases[0].weights)
        return _Relative(
            raw=mean_contribution(scorer, own, used.weights),
            difference=mean_contribution(scorer, differences, used.weights),
            influences=influence(differences, scorer.degree, used.weights),
        )

    def _penalties(
        self, used: Features, bases: tuple[Features, ...], relative: Mapping[str, _Relative]
    ) -> tuple[tuple[Penalty, ...], Values]:
        """What is subtracted, and the influences of the pictures on its sum."""
        penalties: list[Penalty] = []
        influences = np.zeros(len(used))
        for one in self._picture_penalties:
            each = contributions_of(one, used)
            if each.any():
                amount = mean_contribution(one, each, used.weights)
                penalties.append(Penalty(name=one.name, amount=amount, reason=one.reason(used)))
                influences += influence(each, one.degree, used.weights)
        if used.slots != bases[0].slots:  # other prompts differ in both, whatever the recipe
            return tuple(penalties), influences
        hinges = [(hinge, relative[name]) for name, hinge in self._floors.items()]
        if self._collapse and self._collapse_limit:
            hinges.insert(0, (self._collapse_limit, self._relative(self._collapse, used, bases)))
        for hinge, value in hinges:
            amount = hinge.penalty(value.difference)
            if amount > 0:
                penalties.append(Penalty(name=hinge.name, amount=amount, reason=hinge.reason(value.difference)))
                influences += (value.influences / hinge.unit) * (amount < MAX_PENALTY)
        return tuple(penalties), influences

    def _weighted(self, rows: Mapping[str, Values], weights: Mapping[str, float] | None = None) -> Values:
        """The weighted sum of all scorers' rows, in objective units; scorers without a weight are left out."""
        if weights is None:
            weights = {name: self.scales[name].counts for name in rows}
        return np.sum([weights[name] / self.scales[name].sigma * rows[name] for name in rows if weights[name]], axis=0)

    def _aspects(
        self, scores: Mapping[str, ScaledScore], influences: Mapping[str, Values], picture_weights: Values | None
    ) -> dict[str, ScoreEstimate]:
        """By aspect, the weighted mean of its scorers; the plain mean where none of them has a weight."""
        estimates: dict[str, ScoreEstimate] = {}
        for aspect in PARETO:
            names = [scorer.name for scorer in self._scorers if aspect_of(scorer) == aspect]
            weights = {name: self.scales[name].weight for name in names if self.scales[name].weight}
            weights = weights or dict.fromkeys(names, 1.0)
            if not weights:
                continue
            shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
            row = self._weighted({name: influences[name] for name in shares}, shares)
            value = sum(share * scores[name].scaled for name, share in shares.items())
            freedom = degrees_of_freedom(len(row), picture_weights)
            estimates[aspect] = ScoreEstimate(value=value, standard_error=jackknife(row), freedom=freedom)
        return estimates

    def contributions(self, features: Features) -> dict[str, Values]:
        """See ``Panel.contributions``."""
        return {s.name: contributions_of(s, features) / self.scales[s.name].sigma for s in self._scorers}

    def compare(self, a: Features, b: Features, *, confidence: float = CONFIDENCE) -> PairedDifference:
        """See ``Panel.compare``."""
        left, right = _on_enough_slots(a, b)
        differences, penalties = self._differences(left, right)
        degrees = {scorer.name: scorer.degree for scorer in self._scorers}
        counted = [scorer for scorer in self._scorers if self.scales[scorer.name].counts]
        weights = left.weights
        means = {s.name: np.array([mean_contribution(s, differences[s.name], weights)]) for s in counted}
        influences = self._weighted({k: influence(row, degrees[k], weights) for k, row in differences.items()})
        error = jackknife(influences - influence(penalties, 1, weights))
        penalty = penalties.mean() if weights is None else np.average(penalties, weights=weights)
        mean = float(self._weighted(means)[0]) - float(penalty)
        freedom = degrees_of_freedom(len(left), weights)
        found = paired_difference(mean, math.nan if error is None else error, freedom, confidence)
        return replace(found, won=int((self._weighted(differences) - penalties > 0).sum()), pictures=len(left))

    def differences(self, a: Features, b: Features) -> dict[Slot, float]:
        """See ``Panel.differences``."""
        left, right = _on_enough_slots(a, b)
        differences, penalties = self._differences(left, right)
        return dict(zip(left.slots, map(float, self._weighted(differences) - penalties), strict=True))

    def _differences(self, left: Features, right: Features) -> tuple[dict[str, Values], Values]:
        """Contributions of one recipe less those of another on the same slots, by scorer; and the same of penalties."""
        differences = {s.name: contributions_of(s, left) - contributions_of(s, right) for s in self._scorers}
        pairs = [contributions_of(one, left) - contributions_of(one, right) for one in self._picture_penalties]
        return differences, np.sum(pairs, axis=0)


def _scaled_score(scale: Scale, relative: _Relative) -> ScaledScore:
    error = jackknife(relative.influences)
    return ScaledScore(
        raw=relative.raw,
        scaled=max(FLOOR, relative.difference / scale.sigma),
        standard_error=None if error is None else error / scale.sigma,
    )


def _on_enough_slots(a: Features, b: Features) -> tuple[Features, Features]:
    """Both reduced to the slots whose pictures are intact in both; enough of them to compare recipes."""
    left, right = _on_shared_slots(a, b)
    if len(left) < 3:
        raise ScorerError(f"{len(left)} slots (prompt and seed) in common", remedy="at least 3 are needed to compare")
    return left, right


def _on_shared_slots(a: Features, b: Features) -> tuple[Features, Features]:
    """Both reduced to the slots whose pictures are intact in both, in the order of ``a``."""
    in_a = {slot: row for row, slot in enumerate(a.slots) if not a.broken[row]}
    in_b = {slot: row for row, slot in enumerate(b.slots) if not b.broken[row]}
    shared = [slot for slot in in_a if slot in in_b]
    return a.take([in_a[slot] for slot in shared]), b.take([in_b[slot] for slot in shared])
