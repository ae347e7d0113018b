"""The recommended recipe made simpler, as long as held-out pictures do not tell it from itself."""

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
from studies.night.workshop import Workshop
from studies.progress import Meter, meter
from studies.store.outcome import Comparison
from studies.studyfile.read import StudySpec

if TYPE_CHECKING:
    from scorers.features import Features
    from scorers.panel.verdict import PairedDifference

LOSS = 0.5
"""A simpler recipe may lose this part of the standard error of the lead,"""
SHARE = 0.1
"""and this part of the lead, whichever is less."""
DOUBT = 1.0
"""What the model expects to lose more than so many standard errors is not rendered."""


def allowed(lead: PairedDifference) -> float:
    """Return what a simpler recipe may lose, in objective units.

    Args:
        lead: of the recommended recipe over the best parent or FLAT mix, on held-out shots.
    """
    return min(LOSS * lead.standard_error, SHARE * max(lead.mean, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplified:
    """A simpler recipe."""

    point: Point
    steps: tuple[str, ...]
    """What was done."""
    digits: tuple[int, int]
    """How much there was to read, and is."""

    def sentence(self, loss: Comparison) -> str:
        """Return what was done and what it cost, for people."""
        before, after = self.digits
        return (
            f"Finalist 1 is {loss.against} made simpler, {after} digits instead of {before} ({'; '.join(self.steps)}): "
            f"{loss} on held-out prompts and seeds."
        )


class _Trying:
    """One go through the simpler recipes."""

    def __init__(
        self, spec: StudySpec, workshop: Workshop, history: Sequence[TrialRecord], lead: PairedDifference
    ) -> None:
        self.spec, self.workshop, self.history, self.lead = spec, workshop, history, lead
        self.rendered = 0

    def run(self, point: Point, bar: Meter) -> Simplified | None:
        """Try one after another, each beside the recipe that all began with."""
        space, kept, now = self.spec.space, list[str](), dict(point)
        original = self._look(point)
        tries = simpler(space, point)
        candidate = next(tries, None)
        while candidate is not None and self.rendered < self.spec.simplify:
            good = self._is_as_good(candidate, original, point, bar)
            if good:
                kept.append(candidate.label)
                now = candidate.point
            try:
                candidate = tries.send(good)
            except StopIteration:
                break
        digits = (complexity(space, point), complexity(space, now))
        return Simplified(point=now, steps=tuple(kept), digits=digits) if kept else None

    def _is_as_good(self, candidate: Simpler, original: Features, point: Point, bar: Meter) -> bool:
        before, after = posterior_means(self.spec.space, self.history, [point, candidate.point], self.spec.plan)
        if before - after > allowed(self.lead) + DOUBT * self.lead.standard_error:
            return False
        self.rendered += 1
        panel = self.workshop.panel
        try:
            look = self._look(candidate.point)
            good = panel.judge(look).value is not None and panel.compare(look, original).mean >= -allowed(self.lead)
        except (EngineError, ScorerError) as error:  # it is but an offer: the winner stands without it
            bar.advance(note=f"{candidate.label}: {error}")
            return False
        bar.advance(note=f"{candidate.label}: {'kept' if good else 'not as good'}")
        return good

    def _look(self, point: Point) -> Features:
        return self.workshop.make(self.spec.candidate(point), self.spec.proof_shots, pictures=True).features


def simplified(
    spec: StudySpec,
    workshop: Workshop,
    history: Sequence[TrialRecord],
    point: Point,
    lead: PairedDifference,
    console: Console,
) -> Simplified | None:
    """Return a simpler recipe that is as good on the held-out shots, or None where there is none.

    As good: every one is compared with the recipe itself at equal shots, and may lose half the standard error of its
    lead over the best parent or FLAT mix, and a tenth of that lead, at most. Small losses do not add up.

    Args:
        spec: the study; it says how many may be rendered.
        workshop: with a calibrated panel.
        history: of the search, whose model says what is not worth rendering.
        point: the recommended recipe.
        lead: of it.
        console: takes the progress.

    Raises:
        EngineError, ScorerError: pictures of the recommended recipe itself cannot be made or judged.
    """
    if spec.simplify == 0:
        return None
    with meter("making the best one simpler", spec.simplify, console) as bar:
        return _Trying(spec, workshop, history, lead).run(point, bar)
