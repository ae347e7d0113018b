"""What a report says beside the pages: where the time went, and whether scores agree with the person's picks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studies.pages.reading.snapshot import Snapshot
from studies.review.judging.picks import Pick
from studies.store.renders import shots_key

PARTS = ("build", "render", "look")
"""What the time of a trial is measured for: to build the model, to render, to take the pictures' features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Where the time of trials went, in seconds."""

    parts: Mapping[str, float]
    """By part; "other" is the rest."""
    whole: float
    trials: int
    """How many trials it is of: those whose pictures were rendered for them."""

    def share(self, part: str) -> float:
        """Return the share of a part, in percent."""
        return 100 * self.parts[part] / self.whole if self.whole else 0.0


def time_split(study: Snapshot) -> TimeSplit | None:
    """Return where the time went; None where no trial says it."""
    rows = [trial.attributes.get("seconds", {}) for trial in study.trials]
    rows = [row for row in rows if {*PARTS, "whole"} <= row.keys()]
    if not rows:
        return None
    parts = {part: float(sum(row[part] for row in rows)) for part in PARTS}
    whole = float(sum(row["whole"] for row in rows))
    return TimeSplit(parts={**parts, "other": max(whole - sum(parts.values()), 0.0)}, whole=whole, trials=len(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class PickAgreement:
    """How often the recipe whose picture a person picked also has the higher score on the same prompts and seeds."""

    agreed: int
    decided: int
    """Picks for one side, between recipes with a score."""
    picks: int
    """All picks, also those for neither side."""


def pick_agreement(study: Snapshot, picks: Sequence[Pick]) -> PickAgreement | None:
    """Return how far the scores agree with the picks; None where there are none.

    Whole recipes are compared, so no picture has to be judged again: `recipe-search pick` tells it picture by picture.
    """
    known, agreed, decided = _scores(study), 0, 0
    for pick in picks:
        left = known.get((pick.left, pick.left_vae, pick.shots))
        right = known.get((pick.right, pick.right_vae, pick.shots))
        if left is None or right is None or left == right or pick.share not in (0.0, 1.0):
            continue
        decided += 1
        agreed += (left > right) == (pick.share == 1.0)
    return PickAgreement(agreed=agreed, decided=decided, picks=len(picks)) if picks else None


def _scores(study: Snapshot) -> dict[tuple[str, str, str], float]:
    """Scores by recipe, VAE and set of shots."""
    shots = study.spec.shots
    keys = {slots: shots_key(shots.drawn(slots)) for slots in {trial.slots for trial in study.scored}}
    found = {
        (str(trial.attributes.get("recipe", "")), str(trial.attributes.get("vae", "")), keys[trial.slots]): trial.score
        for trial in study.scored
    }
    standings = (*study.outcome.baselines, *study.outcome.finalists) if study.outcome else ()
    proof = shots_key(shots.proof)
    found |= {(one.recipe, one.vae, proof): one.value for one in standings}
    return {key: value for key, value in found.items() if value is not None}
