"""The proof: the simpler recipe must win too, a broken one costs nothing, and errors name the recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from engine.errors import EngineError
from scorers.features import Features
from scorers.panel.verdict import PairedDifference
from search.history import Point, TrialRecord
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.night.calibration import OFF, fit
from studies.night.proving import proof, simplify
from studies.night.proving.baselines import baselines_of
from studies.night.proving.simplify import SimplifiedRecipe, allowed, simplified
from studies.night.workshop import RenderResult, Workshop
from studies.store.judged.outcome import Comparison, Outcome, Standing
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

QUIET = Console(quiet=True)
GENEROUS = PairedDifference(mean=50.0, standard_error=50.0, low=-48.0, high=148.0)


class Parts:
    """What the proof of a finished study works with."""

    def __init__(self, spec: StudySpec) -> None:
        self.spec, self.store = spec, StudyStore(spec.storage.folder, spec.storage.name)
        self.workshop = Workshop.open(spec, model_hashes(spec.merge, spec.storage))
        fit(spec.merge, spec.search, spec.shots, self.workshop, self.store.noted(OFF), QUIET)

    def look(self, point: Point) -> Features:
        return self.workshop.make(self.spec.search.candidate(point), self.spec.shots.proof, pictures=True).features

    def simpler(self, point: Point, lead: PairedDifference) -> SimplifiedRecipe | None:
        return simplified(self.spec.search, self.spec.shots, self.workshop, self.store.history(), point, lead, QUIET)


@pytest.fixture(scope="module")
def parts(finished_once: StudySpec) -> Parts:
    return Parts(finished_once)


@pytest.fixture
def fine(parts: Parts) -> Point:
    """A recipe with digits to drop."""
    return {**parts.spec.search.space.flat(0.5), "IN03": 0.437, "OUT02": 0.619, "adjust:CONT": 0.213}


def breaking(
    monkeypatch: pytest.MonkeyPatch, workshop: Workshop, broken: Callable[[Candidate], bool]
) -> list[Candidate]:
    """Some recipes have no pictures; returns those that were rendered or would have been, as they come."""
    made, asked = workshop.make, list[Candidate]()

    def make(candidate: Candidate, *given: object, **named: object) -> RenderResult:
        asked.append(candidate)
        if broken(candidate):
            raise EngineError("the picture is not finite")
        return made(candidate, *given, **named)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(workshop, "make", make)
    return asked


@pytest.mark.parametrize(("simple", "won"), [(0.0, True), (-3.0, False)])
def test_a_simpler_recipe_goes_first_only_if_it_wins_too(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, simple: float, won: bool
) -> None:
    spec, panel, middle = parts.spec, parts.workshop.panel, parts.spec.search.space.flat(0.5)
    baselines = baselines_of(spec.search, spec.rendering)
    looks = {label: parts.workshop.make(one, spec.shots.proof).features for label, one in baselines.items()}
    looks |= {"pale": parts.look(spec.search.space.flat(0.0)), "best": parts.look(middle)}
    lead = panel.compare(looks["best"], looks["pale"])
    assert lead.low > 0
    against = Comparison(against="pale", mean=lead.mean, low=lead.low, high=lead.high)
    recipe = spec.search.candidate(middle).recipe.text
    before = Outcome(
        models={},
        baselines=(),
        finalists=(Standing(label="best", recipe=recipe, value=1.0, comparisons=(against,)),),
        sheet="",
    )
    offered = SimplifiedRecipe(point={**middle, "adjust:CONT": simple}, steps=("rounded",), digits=(9, 3))
    monkeypatch.setattr(proof, "simplified", lambda *_: offered)
    after = proof._simpler(spec.search, spec.rendering, spec.shots, parts.workshop, (), before, looks, middle, QUIET)
    assert (after != before) is won
    assert after.winner is not None
    assert after.winner.label == ("best, simpler" if won else "best")
    assert ("9" in after.simpler) is won


def test_a_winner_is_made_simpler_and_no_more_is_lost_than_allowed(parts: Parts, fine: Point) -> None:
    lead = PairedDifference(mean=1.0, standard_error=0.2, low=0.6, high=1.4)
    kept = parts.simpler(fine, lead)
    assert kept is not None
    assert kept.digits[1] < kept.digits[0]
    assert parts.workshop.panel.compare(parts.look(kept.point), parts.look(fine)).mean >= -allowed(lead)
    strict = PairedDifference(mean=0.0, standard_error=0.2, low=-0.4, high=0.4)
    assert allowed(strict) == 0
    less = parts.simpler(fine, strict)
    assert less != kept
    if less is not None:
        assert parts.workshop.panel.compare(parts.look(less.point), parts.look(fine)).mean >= 0


def test_a_simpler_recipe_without_pictures_is_passed_over(
    parts: Parts, fine: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = parts.spec.search.candidate(fine)
    asked = breaking(monkeypatch, parts.workshop, lambda candidate: candidate != original)
    assert parts.simpler(fine, GENEROUS) is None
    assert len(asked) > 1


def test_what_the_model_expects_to_lose_is_not_rendered(
    parts: Parts, fine: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = breaking(monkeypatch, parts.workshop, lambda _: False)
    monkeypatch.setattr(simplify, "posterior_means", lambda *_: (1.0, 0.0))
    lead = PairedDifference(mean=1.0, standard_error=0.2, low=0.6, high=1.4)
    assert parts.simpler(fine, lead) is None
    assert asked == [parts.spec.search.candidate(fine)]
    monkeypatch.setattr(simplify, "posterior_means", lambda *_: (0.0, 0.0))
    assert parts.simpler(fine, lead) is not None
    assert len(asked) > 1
    count, whole = len(asked), parts.spec
    parts.spec = replace(whole, search=replace(whole.search, simplify=0))
    try:
        assert parts.simpler(fine, lead) is None
    finally:
        parts.spec = whole
    assert len(asked) == count


def test_a_baseline_without_pictures_is_named(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = baselines_of(parts.spec.search, parts.spec.rendering)["FLAT_75"]
    breaking(monkeypatch, parts.workshop, lambda candidate: candidate == broken)
    with pytest.raises(StudyError, match=r"small: proof of FLAT_75: the picture is not"):
        proof.prove(parts.spec, parts.workshop, parts.store, {}, QUIET)


def test_nothing_is_promised_against_a_recipe_that_the_bounds_exclude(finished_once: StudySpec, copied: Path) -> None:
    spec, history = finished_once, StudyStore(finished_once.storage.folder, finished_once.storage.name).history()
    first = Standing(
        label="best", recipe="", value=1.0, comparisons=(Comparison(against="FLAT_75", mean=0.5, low=0.1, high=0.9),)
    )
    baselines = {
        label: Standing(label=label, recipe=one.recipe.text, value=0.0)
        for label, one in baselines_of(spec.search, spec.rendering).items()
    }
    points = {"best": spec.search.space.flat(0.5)}
    (line,) = proof._expectation_lines(spec.search, history, points, first, baselines)
    assert line.startswith("Lead of best over FLAT_75: promised")
    assert line.endswith("proved on held-out ones +0.50.")
    copied.write_text(copied.read_text().replace("[space.self]", "[space.blocks]\nhigh = 0.7\n\n[space.self]"))
    narrow = read_study_file(copied)
    assert proof._expectation_lines(narrow.search, history, points, first, baselines) == ()


def test_the_best_mix_of_the_line_is_a_baseline_where_it_is_no_usual_one(parts: Parts) -> None:
    search, rendering = parts.spec.search, parts.spec.rendering
    values = {0.0: -1.0, 0.25: 0.2, 0.5: 0.5, 0.4: 0.6, 1.0: 0.1}
    line = [
        TrialRecord(number=n, stage="flat", point=search.space.flat(ratio), value=value)
        for n, (ratio, value) in enumerate(values.items())
    ]
    usual = list(baselines_of(search, rendering))
    assert list(baselines_of(search, rendering, line)) == [*usual, "FLAT_40"]
    assert baselines_of(search, rendering, line)["FLAT_40"].recipe == search.candidate(search.space.flat(0.4)).recipe
    better = TrialRecord(number=9, stage="flat", point=search.space.flat(0.5), value=0.7)
    assert list(baselines_of(search, rendering, [*line, better])) == usual
    elsewhere = TrialRecord(number=9, stage="blocks", point=search.space.flat(0.45), value=0.9)
    assert list(baselines_of(search, rendering, [*line, elsewhere])) == [*usual, "FLAT_40"]
