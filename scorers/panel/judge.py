"""The judge: scorers that are fitted, their units, and the base recipe that values are measured from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scorers.base import Scorer
from scorers.errors import ScorerError
from scorers.extraction.guards import infeasible
from scorers.features import Features, joined
from scorers.panel.calibration import Row, Scale, mean_of, rate, scale_of
from scorers.panel.penalties import MOST, Collapse, Fine
from scorers.panel.verdict import Difference, Estimate, Part, Penalty, Verdict, influence, interval, jackknife
from scorers.scoring.aspects import FLOORED, PARETO, ROOM, aspect_of

BASE, PARENTS = "FLAT_50", ("A", "B")
FLOOR = -MOST  # of a scaled part: one catastrophe must not flatten everything else a model of the objective sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinge:
    """A limit of a number that may not be passed for nothing.

    Attributes:
        name: of the number.
        limit: as a difference from the base, in ``unit``.
        unit: of the number; negative where the limit is a floor.
    """

    name: str
    limit: float
    unit: float

    def taken(self, off: float) -> float:
        """What a difference from the base costs, in objective units, at most ``MOST``."""
        return float(np.clip(off / self.unit - self.limit, 0.0, MOST))


class Judge:
    """Judges recipes; everything it needs is given, nothing is changed.

    Attributes:
        recipes: the calibration recipes: equal slots in equal order, broken pictures left out.
        base_labels, bases: what values are measured from: FLAT_50, or all calibration recipes.
        seen: slots of which the bases' pictures were seen, broken ones too.
        scales: by scorer.
    """

    def __init__(
        self,
        scorers: Sequence[Scorer],
        scales: Mapping[str, Scale],
        fines: Sequence[Fine],
        collapse: Collapse | None,
        recipes: Mapping[str, Features],
    ) -> None:
        """All are fitted to ``recipes``; ``collapse`` is None where no embedding is at hand."""
        self.recipes = recipes
        self.base_labels = (BASE,) if BASE in recipes else tuple(recipes)
        self.bases = self._wide = tuple(recipes[label] for label in self.base_labels)
        self.seen = set(self.bases[0].slots)
        self.scales = scales
        self._scorers = tuple(scorers)
        self._fines = tuple(fines)
        self._collapse = collapse
        self._floors = {s.name: self._floor(s) for s in scorers if aspect_of(s) in FLOORED and scales[s.name].weight}
        self._rise = self._most_alike(collapse) if collapse else None

    def widen(self, pictures: Mapping[str, Features]) -> None:
        """See ``Panel.widen``."""
        missing = [label for label in self.base_labels if label not in pictures]
        if missing:
            raise ScorerError(f"further pictures of {', '.join(missing)} are missing")
        found = [pictures[label] for label in self.base_labels]
        if len({features.slots for features in found}) > 1 or self.seen & set(found[0].slots):
            raise ScorerError("further pictures of the bases must be of the same new slots")
        self.seen |= set(found[0].slots)
        sound = [row for row in range(len(found[0])) if not any(features.broken[row] for features in found)]
        self._wide = tuple(joined([base, new.take(sound)]) for base, new in zip(self._wide, found, strict=True))

    def _floor(self, scorer: Scorer) -> Hinge:
        """One unit below the worse parent; below the worst calibration recipe where the parents are not known."""
        known = [label for label in PARENTS if label in self.recipes] or list(self.recipes)
        sigma = self.scales[scorer.name].sigma
        worst = min(self._relative(scorer, self.recipes[label], self.bases)[1] for label in known) / sigma
        return Hinge(name=scorer.name, limit=ROOM - worst, unit=-sigma)

    def _most_alike(self, collapse: Collapse) -> Hinge:
        """Two standard deviations of calibration above the base; or as far as any of its recipes, or the references."""
        found = scale_of(collapse, 0.0, self.recipes)
        unit = max(found.sigma, collapse.least)
        own = [self._relative(collapse, recipe, self.bases) for recipe in self.recipes.values()]
        base = own[0][0] - own[0][1]
        rises = [collapse.references - base, *(off for _, off, _ in own)]
        return Hinge(name=collapse.name, limit=max(2.0, max(rises) / unit), unit=unit)

    def judge(self, features: Features) -> Verdict:
        """See ``Panel.judge``."""
        reasons = infeasible(features)
        if reasons:
            return Verdict(value=None, parts={}, reasons=reasons, standard_error=None)
        return self._judged(features)[0]

    def shares(self, features: Features) -> Row:
        """See ``Panel.shares``."""
        verdict, drops = self._judged(features)
        return (verdict.value or 0.0) + (len(drops) - 1) * drops

    def _judged(self, features: Features) -> tuple[Verdict, Row]:
        """The verdict on a feasible recipe, and by how much its value would fall if a picture were left out."""
        used, bases = self._paired(features)
        rows = {scorer.name: self._relative(scorer, used, bases) for scorer in self._scorers}
        parts = {name: self._part(self.scales[name], raw, off, drop) for name, (raw, off, drop) in rows.items()}
        drops = {name: drop for name, (_, _, drop) in rows.items()}
        penalties, loss = self._penalties(used, bases, {name: (off, drop) for name, (_, off, drop) in rows.items()})
        total = sum(self.scales[name].counts * part.scaled for name, part in parts.items())
        remarks = tuple(
            f"seed {seed}: {why}" for (_, seed), why in zip(features.slots, features.broken, strict=True) if why
        )
        whole = self._weighted(drops) - loss
        verdict = Verdict(
            value=total - sum(penalty.taken for penalty in penalties),
            parts=parts,
            reasons=remarks,
            standard_error=jackknife(whole),
            pictures=len(used),
            penalties=penalties,
            aspects=self._aspects(parts, drops),
        )
        return verdict, whole

    def _paired(self, features: Features) -> tuple[Features, tuple[Features, ...]]:
        """The sound pictures of slots that the bases have, and these; all sound pictures where that is no two of them.

        A base lacks the slots where its own picture, or that of some calibration recipe, is broken.
        """
        used = features.take(features.sound)
        if len(used) < 2:
            raise ScorerError(f"{len(used)} sound picture(s)", remedy="a recipe is judged by 2 at least")
        known = {slot: row for row, slot in enumerate(self._wide[0].slots)}
        shared = [row for row, slot in enumerate(used.slots) if slot in known]
        if len(shared) < 2:
            return used, self.bases
        used = used.take(shared)
        return used, tuple(base.take([known[slot] for slot in used.slots]) for base in self._wide)

    def _relative(self, scorer: Scorer, used: Features, bases: tuple[Features, ...]) -> tuple[float, float, Row]:
        """Raw value, difference from the base, and its influences."""
        own, base = rate(scorer, used), np.mean([rate(scorer, features) for features in bases], axis=0)
        paired = used.slots == bases[0].slots
        off = own - base if paired else own - mean_of(scorer, base)
        return mean_of(scorer, own), mean_of(scorer, off), influence(off, scorer.degree)

    def _part(self, scale: Scale, raw: float, off: float, drop: Row) -> Part:
        error = jackknife(drop)
        scaled = max(FLOOR, off / scale.sigma)
        return Part(raw=raw, scaled=scaled, standard_error=None if error is None else error / scale.sigma)

    def _penalties(
        self, used: Features, bases: tuple[Features, ...], rows: Mapping[str, tuple[float, Row]]
    ) -> tuple[tuple[Penalty, ...], Row]:
        """What is taken, and the influences of its sum."""
        found: list[Penalty] = []
        loss = np.zeros(len(used))
        for fine in self._fines:
            each = rate(fine, used)
            if each.any():
                found.append(Penalty(name=fine.name, taken=float(each.mean()), words=fine.words(used)))
                loss += influence(each, fine.degree)
        if used.slots != bases[0].slots:  # what is missing or alike there is no matter of the recipe alone
            return tuple(found), loss
        hinges = [(hinge, *rows[name]) for name, hinge in self._floors.items()]
        if self._collapse and self._rise:
            hinges.insert(0, (self._rise, *self._relative(self._collapse, used, bases)[1:]))
        for hinge, off, drop in hinges:
            taken = hinge.taken(off)
            if taken > 0:
                found.append(Penalty(name=hinge.name, taken=taken, words=_words(hinge, off)))
                loss += (drop / hinge.unit) * (taken < MOST)
        return tuple(found), loss

    def _weighted(self, rows: Mapping[str, Row], weights: Mapping[str, float] | None = None) -> Row:
        """Rows of all scorers in objective units, summed; scorers without weight have no part in it."""
        if weights is None:
            weights = {name: self.scales[name].counts for name in rows}
        return np.sum([weights[name] / self.scales[name].sigma * rows[name] for name in rows if weights[name]], axis=0)

    def _aspects(self, parts: Mapping[str, Part], drops: Mapping[str, Row]) -> dict[str, Estimate]:
        """By aspect, the mean of its scorers by weight; of those without weight where none has one."""
        found: dict[str, Estimate] = {}
        for aspect in PARETO:
            names = [scorer.name for scorer in self._scorers if aspect_of(scorer) == aspect]
            heavy = {name: self.scales[name].weight for name in names if self.scales[name].weight}
            heavy = heavy or dict.fromkeys(names, 1.0)
            if not heavy:
                continue
            shares = {name: weight / sum(heavy.values()) for name, weight in heavy.items()}
            row = self._weighted({name: drops[name] for name in shares}, shares)
            value = sum(share * parts[name].scaled for name, share in shares.items())
            found[aspect] = Estimate(value=value, standard_error=jackknife(row), pictures=len(row))
        return found

    def contributions(self, features: Features) -> dict[str, Row]:
        """See ``Panel.contributions``."""
        return {scorer.name: rate(scorer, features) / self.scales[scorer.name].sigma for scorer in self._scorers}

    def compare(self, a: Features, b: Features) -> Difference:
        """See ``Panel.compare``."""
        left, right = _common(a, b)
        if len(left) < 3:
            raise ScorerError(
                f"{len(left)} slots (prompt and seed) in common", remedy="3 at least are needed to compare"
            )
        offs = {scorer.name: rate(scorer, left) - rate(scorer, right) for scorer in self._scorers}
        degrees = {scorer.name: scorer.degree for scorer in self._scorers}
        means = {s.name: np.array([mean_of(s, offs[s.name])]) for s in self._scorers if self.scales[s.name].counts}
        fined = np.sum([rate(fine, left) - rate(fine, right) for fine in self._fines], axis=0)
        drops = self._weighted({name: influence(off, degrees[name]) for name, off in offs.items()})
        error = jackknife(drops - influence(fined, 1))
        mean = float(self._weighted(means)[0]) - float(fined.mean())
        return interval(mean, math.nan if error is None else error, len(left))


def _common(a: Features, b: Features) -> tuple[Features, Features]:
    """Both cut to the slots that are sound in both, in the order of ``a``."""
    ours = {slot: row for row, slot in enumerate(a.slots) if not a.broken[row]}
    theirs = {slot: row for row, slot in enumerate(b.slots) if not b.broken[row]}
    common = [slot for slot in ours if slot in theirs]
    return a.take([ours[slot] for slot in common]), b.take([theirs[slot] for slot in common])


def _words(hinge: Hinge, off: float) -> str:
    """What is wrong, for people."""
    if hinge.unit < 0:
        return (
            f"{hinge.name} {-off / hinge.unit:+.1f} lies below its floor {-hinge.limit:+.1f}: more than one unit below "
            "the worse parent"
        )
    return (
        f"pictures of different prompts are more alike than in the base, by {off:.3f} of mean cosine; "
        f"{hinge.limit * hinge.unit:.3f} is within what mixes of the parents and the references do"
    )
