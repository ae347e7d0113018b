"""The trials of a joint search, in a journal of Optuna's beside the result: two values each, the score and the work.

Optuna and its dashboard read the journal. A trial is written whole when its pictures are judged, so that a command that
is killed leaves trials alone that are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.samplers.tradeoffs import OptionKnob, Places, TradeoffTrial, distributions_of
from studies.results.settings import SettingsDifference

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

JOURNAL = "joint.log"
"""The file, in the folder of a subject's result."""
DIFFERENCE, PICTURES, LABEL, REASON = "against_start", "pictures", "settings", "reason"
"""The keys of a trial's attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTrial:
    """What became of one combination.

    Attributes:
        places: its values, of the settings in effect.
        label: for people.
        cost: counted work of a picture.
        difference: how much better its pictures are than those with the settings that the search began with.
        pictures: how many it has.
        reason: why it has no score; "" where it has one.
    """

    places: Places
    label: str
    cost: float
    difference: SettingsDifference | None = None
    pictures: int = 0
    reason: str = ""


class JointTrials:
    """The trials of one joint search: of one space, one seed, one set of shots and one panel."""

    def __init__(self, folder: Path, knobs: Sequence[OptionKnob], stamp: str) -> None:
        """Open them; the journal is made with the first trial.

        Args:
            folder: of the subject's result.
            knobs: what is chosen among.
            stamp: everything that the scores depend on; other trials in the journal stay there unused.
        """
        self._folder, self._knobs = folder, tuple(knobs)
        self.name = f"settings {hashlib.sha256(stamp.encode()).hexdigest()[:12]}"

    def all(self) -> list[JointTrial]:
        """Return the trials, oldest first."""
        if not (self._folder / JOURNAL).exists():
            return []
        return [_read(trial) for trial in self._study.get_trials(deepcopy=False)]

    def add(self, trial: JointTrial) -> None:
        """Write a trial."""
        import optuna

        box = distributions_of(self._knobs, trial.places)
        scored = trial.difference is not None
        self._study.add_trial(
            optuna.create_trial(
                state=optuna.trial.TrialState.COMPLETE if scored else optuna.trial.TrialState.FAIL,
                params=dict(trial.places),
                distributions=box,
                values=[trial.difference.mean, trial.cost] if trial.difference else None,
                user_attrs=_attributes(trial),
            )
        )

    @cached_property
    def _study(self) -> optuna.Study:
        import optuna

        from search.samplers.optuna_samplers import quiet
        from studies.store.backends.journal.journal import JournalFile, cut_torn_record

        quiet()
        self._folder.mkdir(parents=True, exist_ok=True)
        journal = self._folder / JOURNAL
        cut_torn_record(journal)
        storage = optuna.storages.JournalStorage(JournalFile(journal))
        return optuna.create_study(
            storage=storage, study_name=self.name, directions=["maximize", "minimize"], load_if_exists=True
        )


def told(trials: Sequence[JointTrial], margin: float) -> list[TradeoffTrial]:
    """Return the trials as the sampler learns from them; one without a score counts as worse than all that have one."""
    means = [trial.difference.mean for trial in trials if trial.difference]
    worst = min(means, default=0.0) - margin
    return [
        TradeoffTrial(
            places=trial.places, value=trial.difference.mean if trial.difference else worst, cost=trial.cost
        )
        for trial in trials
    ]  # fmt: skip


def _attributes(trial: JointTrial) -> dict[str, Any]:
    found: dict[str, Any] = {LABEL: trial.label, PICTURES: trial.pictures, "work": trial.cost}
    if trial.difference is not None:
        found[DIFFERENCE] = json.dumps(asdict(trial.difference))
    return found | ({REASON: trial.reason} if trial.reason else {})


def _read(trial: FrozenTrial) -> JointTrial:
    kept = trial.user_attrs
    return JointTrial(
        places={name: int(place) for name, place in trial.params.items()},
        label=kept[LABEL],
        cost=kept["work"],
        difference=SettingsDifference(**json.loads(kept[DIFFERENCE])) if DIFFERENCE in kept else None,
        pictures=kept[PICTURES],
        reason=kept.get(REASON, ""),
    )
