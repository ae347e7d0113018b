"""Picking between pairs of kept pictures: the questions, what the answers show of the scorers, and fitted weights."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
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
from studies.night.continuing.fingerprint import INPUTS, inputs_of, kept_device, refuse_changes
from studies.night.workshop import Workshop
from studies.review.judging.pairs import Gallery, Pair, most_informative, pair_of, sided
from studies.review.judging.picks import Answer, BrokenSide, Pick, add_pick, read_picks
from studies.review.judging.rejections import rejected_keys
from studies.review.judging.weights_text import weights_line
from studies.store.judged.outcome import read_outcome
from studies.store.judged.person import user_name
from studies.store.opening import not_run, store_for_reading
from studies.store.records import SLOTS, STOPPED
from studies.store.storage import complete
from studies.studyfile.spec import Storage, StudySpec

FEWEST_PICKS = 10
"""The fewest picks from which fitted weights are better than the present ones."""
FIRST_ASKED = 6
"""The number of pairs with a rejected finalist that are asked before others."""


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

    def read_again(self) -> None:
        """Take in what another process, or a page, answered meanwhile."""
        self.picks = read_picks(self.storage.folder)

    def next(self) -> Pair | None:
        """Draw the picture of the next pair; None when all pairs were asked."""
        chosen = self.choose()
        if chosen is not None:
            self.pair_file.parent.mkdir(parents=True, exist_ok=True)
            sheets.pair(*self.gallery.pictures(chosen), self.pair_file)
        return chosen

    def choose(self) -> Pair | None:
        """The pair to ask next, the same for the same answers; None when all pairs were asked.

        Pairs with a finalist that a person rejected come first, until it was in ``FIRST_ASKED`` of them.
        """
        asked = frozenset(pair_of(pick) for pick in self.picks)
        asked |= {sided(p.shots, p.left, p.right, p.index, self.gallery.seed) for p in asked}
        pairs = self.gallery.sample(len(self.picks) + 1, asked)
        if not pairs:
            return None
        pairs = self._of_rejected(pairs) or pairs
        return most_informative(pairs, self.gallery.differences(pairs)[:, self._columns], self.taste())

    def _of_rejected(self, pairs: list[Pair]) -> list[Pair]:
        """Those with a rejected recipe that was not asked about often yet."""
        counts = dict.fromkeys(rejected_keys(self.storage.folder), 0)
        for asked in (pair_of(pick) for pick in self.picks):
            for key in counts.keys() & {asked.left, asked.right}:
                counts[key] += 1
        wanted = {key for key, count in counts.items() if count < FIRST_ASKED}
        return [pair for pair in pairs if wanted & {pair.left, pair.right}]

    def question(self, pair: Pair) -> Pick:
        """A pair as it will be kept, all but the answer."""
        shot = self.gallery.shot(pair)
        left, right = self.gallery.candidate(pair.left), self.gallery.candidate(pair.right)
        return Pick(
            left=left.recipe.text,
            right=right.recipe.text,
            left_vae=left.vae,
            right_vae=right.vae,
            shots=pair.shots,
            index=pair.index,
            prompt=shot.prompt,
            seed=shot.seed,
            answer="skipped",
            by=self._by,
        )

    def answer(self, pair: Pair, choice: Answer, broken: BrokenSide = "") -> None:
        """Keep a person's answer."""
        self.picks.append(keep_answer(self.storage.folder, self.question(pair), choice, broken))

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
        skipped = sum(pick.answer == "skipped" for pick in self.picks)
        lost = len(self.picks) - broken - skipped - len(pairs)
        ties = counted(int((answers == 0.5).sum()), "tie")
        yield (
            f"{counted(len(self.picks), 'pick')}: {broken} with a broken picture, {ties}"
            + (f", {skipped} skipped" if skipped else "")
            + (f"; {lost} of pictures or features that are not kept any more" if lost else "")
        )
        if not pairs:
            return
        for name, agreed in self.agreements().items():
            yield f"{name} agrees with you on {agreed}"
        yield f"the weights in force agree on {self.agreement_in_force()}"
        if len(pairs) >= FEWEST_PICKS:
            seen = self.gallery.differences(pairs)[:, self._columns]
            held_out = self._held_out_agreement(seen, answers)
            yield f"weights fitted to your picks agree on {held_out}, each pair left out of its own fit"
            yield f"for [scorers]: {weights_line(self.fitted())}"

    def agreements(self) -> dict[str, Agreement]:
        """How often each scorer by itself agrees with the person."""
        pairs, answers = self.usable()
        differences = self.gallery.differences(pairs)
        return {name: agreement(differences[:, column], answers) for column, name in enumerate(self.gallery.names)}

    def agreement_in_force(self) -> Agreement:
        """How often all scorers together, by the weights in force, agree with the person."""
        pairs, answers = self.usable()
        seen = self.gallery.differences(pairs)[:, self._columns]
        return agreement(seen @ np.array(list(self.weights.values())), answers)

    def _held_out_agreement(self, seen: np.ndarray, answers: FloatArray) -> Agreement:
        return agreement_on_new(self.weights, self.gallery.differences(self._pool)[:, self._columns], seen, answers)


def keep_answer(
    folder: Path, question: Pick, choice: Answer, broken: BrokenSide = "", note: str = "", by: str = ""
) -> Pick:
    """Keep a person's answer to a question of ``Picking.question``; it is on the disk when this returns.

    Args:
        folder: of the study.
        question: the pair.
        choice: the answer.
        broken: which picture is broken, if that is the answer.
        note: the person's own words.
        by: who; "": whom the question was made for.

    Raises:
        StudyError: the note or the name is no text.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    pick = replace(question, answer=choice, broken=broken, note=note, by=by or question.by, at=at)
    add_pick(folder, pick)
    return pick


@contextmanager
def opened_picking(spec: StudySpec, by: str | None = None) -> Generator[Picking]:
    """Open a study's kept pictures for picking; nothing is rendered, and no lock of the study is taken.

    Args:
        spec: the study; its device is what the encoders are opened on.
        by: who picks; None: the user's login name.

    Raises:
        StudyError: the study was never run, or its file or inputs changed since.
    """
    store = store_for_reading(spec.storage)
    if store.noted(INPUTS) is None:
        raise not_run(spec.storage, "no trial was made yet")
    models = model_hashes(spec.merge, spec.storage)
    workshop = Workshop.open(spec, models, kept_on=kept_device(store))
    try:
        refuse_changes(store, spec.storage, inputs_of(spec, models, workshop.panel), workshop)
        fit(spec.merge, spec.search, spec.shots, workshop, store.noted(OFF), Console(quiet=True))
        gallery = Gallery(workshop.panel, workshop.renders, spec.search.seed)
        # one that was given up in a race has not all the pictures that others are compared by
        whole = [trial for trial in complete(store.trials()) if STOPPED not in trial.user_attrs]
        best = [trial for trial in whole if "recipe" in trial.user_attrs]
        gallery.hang([Candidate.of(trial.user_attrs) for trial in best], spec.shots.trials)
        for slots in sorted({answered.slots for answered in store.history() if answered.slots}):
            own = [trial for trial in best if tuple(trial.user_attrs.get(SLOTS, ())) == slots]
            gallery.hang([Candidate.of(trial.user_attrs) for trial in own], spec.shots.drawn(slots))
        gallery.hang(_proved_candidates(spec.storage), spec.shots.proof)
        weights = {name: scale.counts for name, scale in workshop.panel.scales.items() if scale.counts}
        yield Picking(spec.storage, gallery, spec.scoring.weights, weights, by or user_name())
    finally:
        workshop.close()


def _proved_candidates(storage: Storage) -> list[Candidate]:
    """The finalists and what they were compared with, if there is an outcome."""
    if not (storage.folder / "outcome.json").exists():
        return []
    outcome = read_outcome(storage.folder, storage.name)
    return [one.candidate for one in (*outcome.finalists, *outcome.baselines) if one.value is not None]
