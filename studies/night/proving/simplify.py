"""Simpler versions of the recommended recipe that held-out pictures do not distinguish from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from engine.errors import EngineError
from scorers.errors import ScorerError
from search.finalists import posterior_means
from search.history import Point, TrialRecord
from search.simplify import Simpler, complexity, simpler
from studies.night.proving.proof_rounds import FEWEST_COMMON, common_pictures, drawn_until
from studies.night.workshop import Workshop
from studies.progress import Meter, meter
from studies.store.judged.outcome import Comparison
from studies.studyfile.spec import SearchSettings, StudyShots

if TYPE_CHECKING:
    from scorers.features import Features
    from scorers.panel.verdict import PairedDifference

LOSS = 0.5
"""The most that a simpler recipe may lose, as a part of the standard error of the lead."""
SHARE = 0.1
"""The most that a simpler recipe may lose, as a part of the lead itself; the smaller of both limits counts."""
DOUBT = 1.0
"""A recipe is not rendered if the model expects it to lose more than so many standard errors above that limit."""


def allowed(lead: PairedDifference) -> float:
    """Return what a simpler recipe may lose, in objective units.

    Args:
        lead: of the recommended recipe over the best parent or FLAT mix, on held-out shots.
    """
    return min(LOSS * lead.standard_error, SHARE * max(lead.mean, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplifiedRecipe:
    """A simpler recipe."""

    point: Point
    steps: tuple[str, ...]
    """What was simplified, in order."""
    digits: tuple[int, int]
    """Number of digits in the recipe before and after."""

    def sentence(self, loss: Comparison) -> str:
        """Return the steps and their cost, for people."""
        before, after = self.digits
        return (
            f"Finalist 1 is {loss.against} made simpler, {after} digits instead of {before} ({'; '.join(self.steps)}): "
            f"{loss} on held-out prompts and seeds."
        )


class _SimplerTrials:
    """One pass through the simpler recipes of one recipe."""

    def __init__(
        self,
        search: SearchSettings,
        shots: StudyShots,
        workshop: Workshop,
        history: Sequence[TrialRecord],
        lead: PairedDifference,
    ) -> None:
        self.search, self.shots, self.workshop, self.history, self.lead = search, shots, workshop, history, lead
        self.rendered = 0

    def run(self, point: Point, bar: Meter) -> SimplifiedRecipe | None:
        """Try one after another, each beside the recipe that all began with."""
        space, kept, now = self.search.space, list[str](), dict(point)
        original = self._features(point)
        tries = simpler(space, point)
        candidate = next(tries, None)
        while candidate is not None and self.rendered < self.search.simplify and self.workshop.has_time():
            good = self._is_as_good(candidate, original, point, bar)
            if good:
                kept.append(candidate.label)
                now = candidate.point
            try:
                candidate = tries.send(good)
            except StopIteration:
                break
        digits = (complexity(space, point), complexity(space, now))
        return SimplifiedRecipe(point=now, steps=tuple(kept), digits=digits) if kept else None

    def _is_as_good(self, candidate: Simpler, original: Features, point: Point, bar: Meter) -> bool:
        before, after = posterior_means(self.search.space, self.history, [point, candidate.point], self.search.plan)
        if before - after > allowed(self.lead) + DOUBT * self.lead.standard_error:
            return False
        self.rendered += 1
        panel = self.workshop.panel

        def is_lost(features: Features, confidence: float) -> bool:
            if common_pictures(features, original) < FEWEST_COMMON:
                return False
            return panel.compare(features, original, confidence=confidence).high < -allowed(self.lead)

        try:
            made = self.search.candidate(candidate.point)
            features, drawn = drawn_until(self.workshop, made, self.shots.proof, is_lost)
            sound = drawn == len(self.shots.proof) and panel.judge(features).value is not None
            good = sound and panel.compare(features, original).mean >= -allowed(self.lead)
        except (EngineError, ScorerError) as error:  # optional: the winner stands without it
            bar.advance(note=f"{candidate.label}: {error}")
            return False
        bar.advance(note=f"{candidate.label}: {'kept' if good else 'not as good'}")
        return good

    def _features(self, point: Point) -> Features:
        return self.workshop.make(self.search.candidate(point), self.shots.proof, pictures=True).features


def simplified(
    search: SearchSettings,
    shots: StudyShots,
    workshop: Workshop,
    history: Sequence[TrialRecord],
    point: Point,
    lead: PairedDifference,
    console: Console,
) -> SimplifiedRecipe | None:
    """Return a simpler recipe that is as good on the held-out shots, or None where there is none.

    As good: every one is compared with the recipe itself at equal shots, and may lose half the standard error of its
    lead over the best parent or FLAT mix, and a tenth of that lead, at most. Small losses do not add up. One that
    clearly loses more after a part of the shots draws no more of them.

    Args:
        search: its limit says how many may be rendered.
        shots: of the study; those of the proof are rendered.
        workshop: with a calibrated panel.
        history: of the search, from which its model is fitted.
        point: the recommended recipe.
        lead: of that recipe.
        console: takes the progress.

    Raises:
        EngineError, ScorerError: pictures of the recommended recipe itself cannot be made or judged.
    """
    if search.simplify == 0:
        return None
    with meter("making the best one simpler", search.simplify, console) as bar:
        return _SimplerTrials(search, shots, workshop, history, lead).run(point, bar)
