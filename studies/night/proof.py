"""The proof: finalists, parents and FLAT mixes rendered again on prompts and seeds that no trial has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from engine.errors import EngineError, Named
from scorers.errors import ScorerError
from search.errors import SearchError
from search.finalists import choose, optimism, posterior_means
from search.history import Point, TrialRecord
from search.space.baselines import flats, parents
from studies.candidate import Candidate
from studies.drawing import sheets
from studies.errors import StudyError
from studies.night.noise import doubts, suggester_of
from studies.night.simplify import simplified
from studies.night.workshop import Workshop
from studies.progress import meter
from studies.store.outcome import REPORTED, Comparison, Outcome, Standing, write_outcome
from studies.store.storage import StudyStore, complete
from studies.studyfile.read import StudySpec

if TYPE_CHECKING:
    from scorers.features import Features
    from scorers.panel.panel import Panel
    from scorers.reporting.distances import ReferenceDistance

SHEET_ROWS = 6
"""Prompts shown on the finalists' sheet."""


def prove(
    spec: StudySpec, workshop: Workshop, store: StudyStore, models: Mapping[str, str], console: Console
) -> Outcome:
    """Render all on the held-out shots, compare at equal prompts and seeds, write sheet and outcome.

    The winner, if there is one, is made simpler as long as that costs nothing that can be told, and goes first then.

    Raises:
        SearchError: no trial has a value.
        StudyError: pictures of a finalist, a parent or a FLAT mix cannot be made.
        ScorerError: a scorer failed.
    """
    history = store.history()
    points = {finalist.label: finalist.point for finalist in choose(spec.space, history, spec.finalists, spec.plan)}
    baselines, candidates = baselines_of(spec), {label: spec.candidate(point) for label, point in points.items()}
    looks = _looks(spec, workshop, baselines | candidates, console)
    standings = _standings(spec, workshop.panel, baselines, looks)
    rivals = [*spec.models, _best([standing for label, standing in standings.items() if label not in spec.models])]
    finalists = sorted(_standings(spec, workshop.panel, candidates, looks, rivals).values(), key=_by_value)
    outcome = Outcome(
        models=dict(models),
        baselines=tuple(standings.values()),
        finalists=tuple(finalists),
        sheet=str(spec.folder / "finalists.png"),
        remarks=_remarks(store),
        course=(*_course(spec, store, history), *_promise(spec, history, points, finalists[0], standings)),
    )
    if outcome.winner is not None:
        outcome = _simpler(spec, workshop, history, outcome, looks, points[outcome.winner.label], console)
    draw_sheet(spec, workshop, outcome)
    write_outcome(spec.folder, outcome)
    return outcome


def _simpler(
    spec: StudySpec,
    workshop: Workshop,
    history: Sequence[TrialRecord],
    outcome: Outcome,
    looks: Mapping[str, Features],
    point: Point,
    console: Console,
) -> Outcome:
    """Return the outcome with the winner made simpler in front, if there is such a recipe and it wins as well."""
    panel, won = workshop.panel, outcome.finalists[0]
    lead = min((panel.compare(looks[won.label], looks[c.against]) for c in won.comparisons), key=lambda lead: lead.mean)
    simple = simplified(spec, workshop, history, point, lead, console)
    if simple is None:
        return outcome
    label, candidate = f"{won.label}, simpler", spec.candidate(simple.point)
    looks = {**looks, label: workshop.make(candidate, spec.proof_shots, pictures=True).features}
    first = _standings(spec, panel, {label: candidate}, looks, [c.against for c in won.comparisons])[label]
    made = replace(
        outcome,
        finalists=(first, *outcome.finalists),
        simpler=simple.sentence(_compare(panel, looks, label, won.label)),
    )
    return made if made.winner is not None else outcome


def baselines_of(spec: StudySpec) -> dict[str, Candidate]:
    """What finalists are compared with: the models as they are, then the FLAT mixes."""
    recipes = parents(spec.space) | flats(spec.space)
    return {label: spec.baseline(recipe) for label, recipe in recipes.items()}


def _looks(
    spec: StudySpec, workshop: Workshop, recipes: Mapping[str, Candidate], console: Console
) -> dict[str, Features]:
    """Features of the held-out pictures, which are all kept."""
    looks: dict[str, Features] = {}
    with meter("proving the finalists", len(recipes), console) as bar:
        for label, candidate in recipes.items():
            try:
                looks[label] = workshop.make(candidate, spec.proof_shots, pictures=True).features
            except (EngineError, ScorerError) as error:
                where = (Named(spec.name), Named(f"the proof's pictures of {label} cannot be made"))
                raise StudyError.of(problem.under(*where) for problem in error.problems) from error
            bar.advance(note=label)
    return looks


def _standings(
    spec: StudySpec,
    panel: Panel,
    candidates: Mapping[str, Candidate],
    looks: Mapping[str, Features],
    rivals: Sequence[str] = (),
) -> dict[str, Standing]:
    """Results of some candidates, beside their rivals' if there are such; ``looks`` holds those of all baselines."""
    baselines = tuple(baselines_of(spec))
    shown = {label: looks[label] for label in {**dict.fromkeys(baselines), **candidates}}
    likenesses = panel.reference_distances(shown, baselines)
    found = {
        label: _standing(panel, label, candidate, looks[label], likenesses[label])
        for label, candidate in candidates.items()
    }
    return {
        label: replace(one, comparisons=tuple(_compare(panel, looks, label, rival) for rival in rivals))
        for label, one in found.items()
    }


def _by_value(standing: Standing) -> float:
    return -standing.value if standing.value is not None else math.inf


def _course(spec: StudySpec, store: StudyStore, history: Sequence[TrialRecord]) -> tuple[str, ...]:
    """How the stages ended, what speaks against the scores, and how lucky the best trial was."""
    lines = [str(status) for status in suggester_of(spec, store).statuses(history)] + list(doubts(store))
    luck = optimism(spec.space, history, spec.plan)
    if luck is not None:
        lines.append(f"The best trial's score is {luck:+.2f} against what all trials together let one expect of it.")
    return tuple(lines)


def _promise(
    spec: StudySpec,
    history: Sequence[TrialRecord],
    points: Mapping[str, Point],
    first: Standing,
    baselines: Mapping[str, Standing],
) -> tuple[str, ...]:
    """What the search promises of the first finalist beside what was found; nothing where bounds exclude the rival."""
    held = first.comparisons[-1]
    try:
        flat = spec.space.encode(baselines[held.against].candidate.recipe)
    except SearchError:
        return ()
    mine, theirs = posterior_means(spec.space, history, [points[first.label], flat], spec.plan)
    promised = f"{mine - theirs:+.2f} is what the search promises of its own pictures"
    return (f"{first.label} against {held.against}: {promised}, {held.mean:+.2f} what held-out ones say.",)


def _standing(panel: Panel, label: str, candidate: Candidate, look: Features, likeness: ReferenceDistance) -> Standing:
    verdict = panel.judge(look)
    numbers = (likeness.cmmd, likeness.polynomial_mmd, likeness.drift)
    return Standing(
        label=label,
        recipe=candidate.recipe.text,
        vae=candidate.vae,
        value=verdict.value,
        reasons=tuple(verdict.reasons),
        numbers=dict(zip(REPORTED, numbers, strict=True)),
        alarm=likeness.alarm,
    )


def _remarks(store: StudyStore) -> tuple[str, ...]:
    """Whether two read-outs of the look disagree over the trials."""
    from scorers.reporting.leak import disagreement_alarm

    scores = [trial.user_attrs.get("scores", {}) for trial in complete(store.trials())]
    pairs = [(row["style"]["scaled"], row["margin"]["scaled"]) for row in scores if {"style", "margin"} <= row.keys()]
    alarm = disagreement_alarm([style for style, _ in pairs], [margin for _, margin in pairs])
    return (alarm,) if alarm else ()


def _best(standings: list[Standing]) -> str:
    return max(standings, key=lambda s: s.value if s.value is not None else float("-inf")).label


def _compare(panel: Panel, looks: Mapping[str, Features], label: str, rival: str) -> Comparison:
    difference = panel.compare(looks[label], looks[rival])
    return Comparison(against=rival, mean=difference.mean, low=difference.low, high=difference.high)


def draw_sheet(spec: StudySpec, workshop: Workshop, outcome: Outcome) -> None:
    """The finalists beside the parents, the best FLAT mix and the references, scores underneath."""
    shots = spec.proof_shots
    rows = _spread(len(shots), SHEET_ROWS)
    best_flat = _best([standing for standing in outcome.baselines if standing.label not in spec.models])
    shown = [s for s in outcome.baselines if s.label in (*spec.models, best_flat)] + list(outcome.finalists)
    columns = [
        sheets.Column(title="references", pictures=_references(spec.references, len(rows)), lines=["the wanted look"])
    ]
    for number, standing in enumerate(shown, start=-len(spec.models)):
        kept = workshop.renders.pictures(standing.candidate, shots) or []
        title = standing.label if number < 1 else f"{number}: {standing.label}"
        columns.append(
            sheets.Column(
                title=title,
                pictures=[kept[row] for row in rows if row < len(kept)],
                lines=_lines(standing, best_flat),
                marked=outcome.winner is not None and standing.label == outcome.winner.label,
            )
        )
    sheets.finalists(
        columns,
        [shots[row].prompt for row in rows],
        Path(outcome.sheet),
        title=f"{spec.name}: finalists on held-out prompts and seeds",
        caption=outcome.sentences()[-1],
    )


def _spread(count: int, shown: int) -> list[int]:
    """Up to ``shown`` indices spread evenly over ``count``."""
    step = max(1.0, count / shown)
    return [int(i * step) for i in range(min(count, shown))]


def _references(paths: tuple[Path, ...], count: int) -> list[sheets.Picture]:
    return [sheets.read_picture(paths[i]) for i in _spread(len(paths), count)]


def _lines(standing: Standing, best_flat: str) -> list[str]:
    if standing.value is None:
        return ["broken: " + "; ".join(standing.reasons)]
    lines = [f"score {standing.value:+.2f}", *([f"VAE {Path(standing.vae).stem}"] if standing.vae else [])]
    for comparison in standing.comparisons:
        if comparison.against == best_flat:
            lines += [
                f"vs {best_flat} {comparison.mean:+.2f}",
                f"95 %: {comparison.low:+.2f} to {comparison.high:+.2f}",
            ]
    return lines
