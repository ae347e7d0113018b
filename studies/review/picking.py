"""Picking between pairs of kept pictures: the questions, what the answers show of the scorers, and fitted weights."""

from __future__ import annotations

import getpass
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from engine.errors import counted
from scorers.errors import ScorerError
from scorers.features import FloatArray
from scorers.panel.preference import Agreement, PreferenceFit, agreement, agreement_on_new, fit_preferences
from studies.candidate import Candidate
from studies.drawing import sheets
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.night.calibration import OFF, fit
from studies.night.fingerprint import INPUTS, inputs_of, kept_device, refuse_changes
from studies.night.workshop import Workshop
from studies.review.pairs import Gallery, Pair, most_informative, pair_of, sided
from studies.review.picks import Answer, BrokenSide, Pick, add_pick, read_picks
from studies.review.weights_text import weights_line
from studies.store.opening import not_run, open_store
from studies.store.outcome import read_outcome
from studies.store.storage import SLOTS, complete
from studies.studyfile.spec import Storage, StudySpec

FEWEST_PICKS = 10
"""The fewest picks from which fitted weights are better than the present ones."""


class Picking:
    """One session; every answer is on the disk before the next pair is asked."""

    def __init__(
        self, storage: Storage, gallery: Gallery, all_weights: Mapping[str, float], weights: dict[str, float], by: str
    ) -> None:
        """Use ``opened_picking`` instead; ``weights`` are those in force among the study file's, ``all_weights``."""
        self.storage = storage
        self.all_weights = all_weights
        self.gallery = gallery
        self.weights = weights
        self.picks = read_picks(storage.folder)
        self._by = by
        self._columns = [gallery.names.index(name) for name in weights]
        self._pool = gallery.sample(0, frozenset())

    @property
    def pair_file(self) -> Path:
        """The picture of the next pair: a name of its own, so that no viewer shows an older one."""
        return self.storage.folder / "picks" / f"pair-{len(self.picks) + 1:04d}.png"

    def next(self) -> Pair | None:
        """Draw the picture of the next pair; None when all pairs were asked."""
        asked = frozenset(pair_of(pick) for pick in self.picks)
        asked |= {sided(p.shots, p.left, p.right, p.index, self.gallery.seed) for p in asked}
        pairs = self.gallery.sample(len(self.picks) + 1, asked)
        if not pairs:
            return None
        chosen = most_informative(pairs, self.gallery.differences(pairs)[:, self._columns], self.taste())
        self.pair_file.parent.mkdir(parents=True, exist_ok=True)
        sheets.pair(*self.gallery.pictures(chosen), self.pair_file)
        return chosen

    def answer(self, pair: Pair, choice: Answer, broken: BrokenSide = "") -> None:
        """Keep a person's answer."""
        shot = self.gallery.shot(pair)
        left, right = self.gallery.candidate(pair.left), self.gallery.candidate(pair.right)
        pick = Pick(
            left=left.recipe.text,
            right=right.recipe.text,
            left_vae=left.vae,
            right_vae=right.vae,
            shots=pair.shots,
            index=pair.index,
            prompt=shot.prompt,
            seed=shot.seed,
            answer=choice,
            broken=broken,
            by=self._by,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        add_pick(self.storage.folder, pick)
        self.picks.append(pick)

    def usable(self) -> tuple[list[Pair], FloatArray]:
        """The pairs with an answer and pictures that are still kept, with the share for the left one."""
        answered = [(pair_of(pick), pick.share) for pick in self.picks]
        known = [(pair, share) for pair, share in answered if share is not None and self.gallery.known(pair)]
        return [pair for pair, _ in known], np.array([share for _, share in known], dtype=np.float64)

    def taste(self) -> PreferenceFit:
        """The person's weights, as far as the picks show."""
        pairs, answers = self.usable()
        pool = self.gallery.differences(self._pool)[:, self._columns]
        return fit_preferences(self.weights, pool, self.gallery.differences(pairs)[:, self._columns], answers)

    def fitted(self) -> dict[str, float]:
        """Weights for the study file: those in force, moved by the picks, with the same sum; all others as they are.

        Raises:
            StudyError: too few picks, or picks that no weights fit.
        """
        count = len(self.usable()[0])
        if count < FEWEST_PICKS:
            raise StudyError(
                counted(count, "usable pick"),
                place=(self.storage.folder,),
                remedy=f"weights can be fitted to {FEWEST_PICKS} or more: recipe-search pick {self.storage.file}",
            )
        try:
            moved = self.taste().weights(sum(self.weights.values()))
        except ScorerError as error:
            raise StudyError.of(problem.under(self.storage.folder) for problem in error.problems) from error
        return dict(self.all_weights) | moved

    def report(self) -> Iterator[str]:
        """The result of the picks, line by line."""
        pairs, answers = self.usable()
        broken = sum(pick.answer == "broken" for pick in self.picks)
        lost = len(self.picks) - broken - len(pairs)
        ties = counted(int((answers == 0.5).sum()), "tie")
        yield f"{counted(len(self.picks), 'pick')}: {broken} with a broken picture, {ties}" + (
            f"; {lost} of pictures or features that are not kept any more" if lost else ""
        )
        if not pairs:
            return
        differences = self.gallery.differences(pairs)
        for column, name in enumerate(self.gallery.names):
            yield f"{name} agrees with you on {agreement(differences[:, column], answers)}"
        seen = differences[:, self._columns]
        force = np.array(list(self.weights.values()))
        yield f"the weights in force agree on {agreement(seen @ force, answers)}"
        if len(pairs) >= FEWEST_PICKS:
            held_out = self._held_out_agreement(seen, answers)
            yield f"weights fitted to your picks agree on {held_out}, each pair left out of its own fit"
            yield f"for [scorers]: {weights_line(self.fitted())}"

    def _held_out_agreement(self, seen: np.ndarray, answers: FloatArray) -> Agreement:
        return agreement_on_new(self.weights, self.gallery.differences(self._pool)[:, self._columns], seen, answers)


@contextmanager
def opened_picking(spec: StudySpec, by: str | None = None) -> Generator[Picking]:
    """Open a study's kept pictures for picking; nothing is rendered.

    Raises:
        StudyError: the study was never run, or its file or inputs changed since.
    """
    store = open_store(spec.storage)
    if store.noted(INPUTS) is None:
        raise not_run(spec.storage, "no trial was made yet")
    models = model_hashes(spec.merge, spec.storage)
    workshop = Workshop.open(spec, models, kept_on=kept_device(store))
    try:
        refuse_changes(store, spec.storage, inputs_of(spec, models, workshop.panel), workshop)
        fit(spec.merge, spec.search, spec.shots, workshop, store.noted(OFF), Console(quiet=True))
        gallery = Gallery(workshop.panel, workshop.renders, spec.search.seed)
        best = [trial for trial in complete(store.trials()) if "recipe" in trial.user_attrs]
        gallery.hang([Candidate.of(trial.user_attrs) for trial in best], spec.shots.trials)
        for slots in sorted({answered.slots for answered in store.history() if answered.slots}):
            own = [trial for trial in best if tuple(trial.user_attrs.get(SLOTS, ())) == slots]
            gallery.hang([Candidate.of(trial.user_attrs) for trial in own], spec.shots.drawn(slots))
        gallery.hang(_proved_candidates(spec.storage), spec.shots.proof)
        weights = {name: scale.counts for name, scale in workshop.panel.scales.items() if scale.counts}
        yield Picking(spec.storage, gallery, spec.scoring.weights, weights, by or getpass.getuser())
    finally:
        workshop.close()


def _proved_candidates(storage: Storage) -> list[Candidate]:
    """The finalists and what they were compared with, if there is an outcome."""
    if not (storage.folder / "outcome.json").exists():
        return []
    outcome = read_outcome(storage.folder, storage.name)
    return [one.candidate for one in (*outcome.finalists, *outcome.baselines) if one.value is not None]
