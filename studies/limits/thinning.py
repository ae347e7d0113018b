"""Pictures of hopeless trials are deleted where a study asks for that; their features and scores stay.

Kept are the contact sheets of stage `flat`, of approved recipes, of the best trials, of the best trial on each set of
shots, and of the newest ones, which pages show as they come. Without its sheet a trial can be scored anew, since that
needs features alone; who wants its pictures again renders its recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from optuna.trial import FrozenTrial

from engine.errors import ProblemError
from studies.candidate import Candidate
from studies.store.judged.pins import read_pins
from studies.store.ledger import slots_of, stage_of
from studies.store.records import drawn_slots
from studies.store.renders import SHEET, RenderStore
from studies.store.storage import StudyStore, complete
from studies.studyfile.spec import Storage, StudyShots

NEWEST = 12
"""How many of the newest trials keep their pictures in any case: as many as the page of a night shows."""


def hopeless(trials: Sequence[FrozenTrial], keep: int, approved: frozenset[str] = frozenset()) -> list[FrozenTrial]:
    """Return the trials whose pictures are not kept.

    Args:
        trials: all that have ended, in order.
        keep: how many of the best ones keep theirs.
        approved: keys of recipes that a person approved.
    """
    best = complete(trials)
    first_of_its_shots = {slots_of(trial): trial.number for trial in reversed(best)}
    kept = {trial.number for trial in (*best[:keep], *trials[-NEWEST:])} | set(first_of_its_shots.values())
    # A recipe of stage `flat`, or one that is kept elsewhere, may come again on the same shots in another stage.
    recipes = {trial.user_attrs.get("recipe_key") for trial in trials if trial.number in kept or _is_flat(trial)}
    return [trial for trial in trials if trial.user_attrs.get("recipe_key") not in recipes | approved]


def _is_flat(trial: FrozenTrial) -> bool:
    return stage_of(trial) == "flat"


class Thinning:
    """Deletes pictures of a study, every trial's once."""

    def __init__(self, storage: Storage, shots: StudyShots, renders: RenderStore) -> None:
        """Thin a study's pictures; where it keeps all, nothing is ever deleted."""
        self._storage, self._shots, self._renders = storage, shots, renders
        self._thinned: set[int] = set()

    def chosen(self, store: StudyStore) -> list[Path]:
        """Return the files that go now: contact sheets of trials that became hopeless since the last time."""
        if self._storage.keep is None:
            return []
        trials = hopeless(store.trials(), self._storage.keep, self._approved())
        new = [trial for trial in trials if trial.number not in self._thinned]
        self._thinned |= {trial.number for trial in new}
        return [path for trial in new for path in self._sheets(store, trial)]

    def _approved(self) -> frozenset[str]:
        pins = []
        with suppress(ProblemError):  # a damaged pin is told by what reads it
            pins = read_pins(self._storage.folder, self._storage.name)
        return frozenset(pin.recipe_key for pin in pins)

    def _sheets(self, store: StudyStore, trial: FrozenTrial) -> Iterator[Path]:
        """A trial's sheet where it is an artifact, and where it lies with its renders."""
        yield from store.sheets(trial)
        if "recipe" in trial.user_attrs:
            shots = self._shots.drawn(drawn_slots(trial.user_attrs))
            yield self._renders.place(Candidate.of(trial.user_attrs), shots) / SHEET


def delete(files: Sequence[Path]) -> None:
    """Delete files; those that another worker deleted meanwhile are gone already."""
    for file in files:
        file.unlink(missing_ok=True)


def thinned_words(keep: int | None) -> str:
    """Return which pictures a study keeps, for people; "" where it keeps all."""
    return (
        "" if keep is None else f"; of pictures, those of the {keep} best trials, FLAT mixes and approved recipes stay"
    )
