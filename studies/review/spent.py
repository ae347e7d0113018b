"""How many pictures a study has made: quality is compared per picture, not per trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from studies.night.calibration import calibration_recipes
from studies.store.judged.outcome import Outcome
from studies.store.records import INFEASIBLE, drawn_slots
from studies.studyfile.spec import SearchSettings, StudyShots


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesSpent:
    """Pictures by what they were made for; one that two ask for is made once, and counted once."""

    calibration: int
    """Of the recipes that calibrate the scorers, on all shots of the search."""
    trials: int
    """Of all trials beyond these; on fresh seeds also those of FLAT_50, which scores are counted from."""
    proof: int
    """Of finalists, parents and FLAT mixes in the last proof; simpler recipes that were tried are not in it."""

    @property
    def search(self) -> int:
        """What the search has made in all."""
        return self.calibration + self.trials


def came_to_pictures(trial: FrozenTrial) -> bool:
    """Whether a trial was judged: it has a value, or its pictures are broken."""
    infeasible = str(trial.user_attrs.get("reason", "")).startswith(INFEASIBLE)
    return trial.state is TrialState.COMPLETE or infeasible


def pictures_spent(
    search: SearchSettings, shots: StudyShots, tried: Iterable[Mapping[str, Any]], outcome: Outcome | None
) -> PicturesSpent:
    """Count the pictures of a study.

    Args:
        search: of the study.
        shots: of the study.
        tried: the attributes of the trials that came to pictures.
        outcome: of the last proof, where there is one.
    """
    every = range(len(shots.trials))
    calibrated = {(one.recipe.key, one.vae) for one in calibration_recipes(search).values()}
    drawn = {
        ((one.get("recipe_key"), one.get("vae", "")), place) for one in tried for place in drawn_slots(one) or every
    }
    fresh = {place for _, place in drawn if place not in every}
    beyond = [place for key, place in drawn if key not in calibrated or place in fresh]
    return PicturesSpent(
        calibration=len(calibrated) * len(every),
        trials=len(beyond) + len(fresh),
        proof=outcome.pictures if outcome else 0,
    )
