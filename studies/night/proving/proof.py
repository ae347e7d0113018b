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
from studies.candidate import Candidate
from studies.drawing import sheets
from studies.errors import StudyError
from studies.night.noise import doubts, suggester_of
from studies.night.proving.baselines import baselines_of
from studies.night.proving.proof_rounds import BEYOND_DOUBT, ProofGroups, ProofRounds, drawing_order, drawn_first
from studies.night.proving.proofs import count, number_of
from studies.night.proving.simplify import simplified
from studies.night.workshop import Workshop
from studies.progress import meter
from studies.store.judged.outcome import (
    FIRST_CONFIDENCE,
    MIDDLE,
    REPORTED,
    RESULTS,
    Comparison,
    Outcome,
    Standing,
    write_outcome,
)
from studies.store.storage import StudyStore, complete
from studies.studyfile.spec import Merge, Rendering, SearchSettings, Storage, StudyShots, StudySpec, TargetLook

if TYPE_CHECKING:
    from engine.shots.shot import Shot
    from scorers.features import Features
    from scorers.panel.panel import Panel
    from scorers.reporting.distances import ReferenceDistance

SHEET = "finalists.png"
"""Name of the finalists' sheet."""
SHEET_NOTE = (
    "The references show the look that is wanted, not the prompts. Numbers are differences, with pictures of the same "
    "prompts and seeds: from FLAT_50, and from the best FLAT mix with an interval. Higher is closer to the look."
)
"""What a stranger needs to know to read the sheet."""
DRIFTED = "contents may differ"
"""The warning under a recipe whose pictures moved aside; the whole sentence stands above."""


def prove(
    spec: StudySpec, workshop: Workshop, store: StudyStore, hashes: Mapping[str, str], console: Console
) -> Outcome:
    """Render all on the held-out shots, compare at equal prompts and seeds, write sheet and outcome.

    Recipes that can no longer win, and baselines that are clearly beaten, draw no more pictures (``proof_rounds``). The
    winner, if there is one, is made simpler as long as no loss can be measured, and then goes first.

    Raises:
        SearchError: no trial has a value.
        StudyError: pictures of a finalist, a parent or a FLAT mix cannot be made.
        ScorerError: a scorer failed.
    """
    history, search, models = store.history(), spec.search, spec.merge.models
    chosen = choose(search.space, history, search.finalists, search.plan)
    points = {finalist.label: finalist.point for finalist in chosen}
    baselines = baselines_of(search, spec.rendering, history)
    candidates = {label: search.candidate(point) for label, point in points.items()}
    number = number_of(store, spec.shots, (one.key for one in candidates.values()), workshop.panel.version)
    groups = ProofGroups(
        parents=tuple(label for label in baselines if label in models),
        flats=tuple(label for label in baselines if label not in models),
        finalists=tuple(candidates),
    )
    rounds = _drawn_in_rounds(spec.storage.name, spec.shots.proof, groups, workshop, baselines | candidates, console)
    features, values, panel = rounds.features, rounds.values(), workshop.panel
    standings = _standings(panel, baselines, features, tuple(baselines), values)
    rivals = [*models, _best_label([standings[label] for label in groups.flats if rounds.is_whole(label)])]
    results = _standings(panel, candidates, features, tuple(baselines), values, rivals, number.confidence)
    finalists = sorted(results.values(), key=lambda one: (not rounds.is_whole(one.label), _by_value(one)))
    outcome = Outcome(
        models=dict(hashes),
        baselines=tuple(standings.values()),
        finalists=tuple(finalists),
        sheet=SHEET,
        study=spec.storage.name,
        remarks=_remarks(store),
        search_summary=(
            *_search_lines(search, spec.shots, store, history),
            *_expectation_lines(search, history, points, finalists[0], standings),
        ),
        trials=len(complete(store.trials())),
        proof=number.number,
        proofs=number.known,
        confidence=number.confidence,
    )
    if outcome.winner is not None:
        point = points[outcome.winner.label]
        outcome = _simpler(search, spec.rendering, spec.shots, workshop, history, outcome, features, point, console)
    workshop.settle()
    draw_sheet(spec.storage, spec.merge, spec.target, spec.shots, workshop, outcome)
    count(store, number)
    write_outcome(spec.storage.folder, outcome)
    for name in RESULTS:
        store.backend.files.share(spec.storage.folder / name)
    return outcome


def _simpler(
    search: SearchSettings,
    rendering: Rendering,
    shots: StudyShots,
    workshop: Workshop,
    history: Sequence[TrialRecord],
    outcome: Outcome,
    features: Mapping[str, Features],
    point: Point,
    console: Console,
) -> Outcome:
    """Return the outcome with a simpler winner in front, if there is one that wins as well."""
    panel, won = workshop.panel, outcome.finalists[0]
    lead = min(
        (panel.compare(features[won.label], features[c.against]) for c in won.comparisons), key=lambda lead: lead.mean
    )
    simple = simplified(search, shots, workshop, history, point, lead, console)
    if simple is None:
        return outcome
    label, candidate = f"{won.label}, simpler", search.candidate(simple.point)
    features = {**features, label: workshop.make(candidate, shots.proof, pictures=True).features}
    baselines = tuple(baselines_of(search, rendering, history))
    rivals = [comparison.against for comparison in won.comparisons]
    first = _standings(panel, {label: candidate}, features, baselines, {}, rivals, outcome.confidence)[label]
    made = replace(
        outcome,
        finalists=(first, *outcome.finalists),
        simpler=simple.sentence(_comparison(panel, features, label, won.label, outcome.confidence)),
    )
    return made if made.winner is not None else outcome


def _drawn_in_rounds(
    study: str,
    shots: Sequence[Shot],
    groups: ProofGroups,
    workshop: Workshop,
    recipes: Mapping[str, Candidate],
    console: Console,
) -> ProofRounds:
    """The pictures of held-out shots, which are all kept; errors name the study."""
    order = drawing_order([shot.prompt for shot in shots])
    rounds = ProofRounds(panel=workshop.panel, groups=groups, shots=shots, order=order)
    with meter("proving the finalists", len(recipes) * len(shots), console) as bar:

        def draw(label: str, places: tuple[int, ...]) -> Features:
            try:
                if len(places) == len(shots):
                    features = workshop.make(recipes[label], shots, pictures=True).features
                else:
                    features = workshop.make_part(recipes[label], shots, places)
            except (EngineError, ScorerError) as error:
                where = (Named(study), Named(f"proof of {label}"))
                raise StudyError.of(problem.under(*where) for problem in error.problems) from error
            bar.advance(len(places), note=label)
            return features

        rounds.run(draw)
    for label in filter(rounds.is_whole, groups.every):
        workshop.keep_whole(recipes[label], shots, rounds.features[label])
    return rounds


def _standings(
    panel: Panel,
    candidates: Mapping[str, Candidate],
    features: Mapping[str, Features],
    baselines: Sequence[str],
    values: Mapping[str, float | None],
    rivals: Sequence[str] = (),
    confidence: float = FIRST_CONFIDENCE,
) -> dict[str, Standing]:
    """Results of some candidates, compared with rivals if there are any.

    Args:
        panel: that judges.
        candidates: by label.
        features: theirs and all baselines'.
        baselines: labels of parents and FLAT mixes.
        values: the objective on all shots, of those that do not have all.
        rivals: labels of what they are compared with.
        confidence: level of the intervals.
    """
    compared = {label: features[label] for label in {**dict.fromkeys(baselines), **candidates}}
    likenesses = panel.reference_distances(compared, baselines)
    found = {
        label: _standing(panel, label, candidate, features[label], likenesses[label])
        for label, candidate in candidates.items()
    }
    found = {label: replace(one, value=values.get(label, one.value)) for label, one in found.items()}
    return {
        label: replace(
            one, comparisons=tuple(_comparison(panel, features, label, rival, confidence) for rival in rivals)
        )
        for label, one in found.items()
    }


def _by_value(standing: Standing) -> float:
    return -standing.value if standing.value is not None else math.inf


def _search_lines(
    search: SearchSettings, shots: StudyShots, store: StudyStore, history: Sequence[TrialRecord]
) -> tuple[str, ...]:
    """How the stages ended, what makes scores doubtful, and by how much the best exceeds its expected value."""
    lines = [str(ending) for ending in suggester_of(search, shots, store).statuses(history)] + list(doubts(store))
    excess = optimism(search.space, history, search.plan)
    if excess is not None:
        lines.append(f"The highest score of a trial is {excess:+.2f} above what the search's model expects there.")
    return tuple(lines)


def _expectation_lines(
    search: SearchSettings,
    history: Sequence[TrialRecord],
    points: Mapping[str, Point],
    first: Standing,
    baselines: Mapping[str, Standing],
) -> tuple[str, ...]:
    """The first finalist's lead, expected and measured; nothing where bounds exclude the rival."""
    held = first.comparisons[-1]
    try:
        flat = search.space.encode(baselines[held.against].candidate.recipe)
    except SearchError:
        return ()
    mine, theirs = posterior_means(search.space, history, [points[first.label], flat], search.plan)
    leads = f"promised on the search's pictures {mine - theirs:+.2f}, proved on held-out ones {held.mean:+.2f}"
    return (f"Lead of {first.label} over {held.against}: {leads}.",)


def _standing(panel: Panel, label: str, candidate: Candidate, own: Features, likeness: ReferenceDistance) -> Standing:
    verdict = panel.judge(own)
    numbers = (likeness.cmmd, likeness.polynomial_mmd, likeness.drift)
    return Standing(
        label=label,
        recipe=candidate.recipe.text,
        vae=candidate.vae,
        value=verdict.value,
        reasons=tuple(verdict.reasons),
        numbers=dict(zip(REPORTED, numbers, strict=True)),
        alarm=likeness.alarm,
        pictures=len(own),
    )


def _remarks(store: StudyStore) -> tuple[str, ...]:
    """An alarm if two measures of the look disagree over the trials."""
    from scorers.reporting.leak import disagreement_alarm

    scores = [trial.user_attrs.get("scores", {}) for trial in complete(store.trials())]
    pairs = [(row["style"]["scaled"], row["margin"]["scaled"]) for row in scores if {"style", "margin"} <= row.keys()]
    alarm = disagreement_alarm([style for style, _ in pairs], [margin for _, margin in pairs])
    return (alarm,) if alarm else ()


def _best_label(standings: list[Standing]) -> str:
    return max(standings, key=lambda s: s.value if s.value is not None else float("-inf")).label


def _comparison(
    panel: Panel, features: Mapping[str, Features], label: str, rival: str, confidence: float
) -> Comparison:
    whole = len(features[label]) == len(features[rival]) == max(map(len, features.values()))
    level = confidence if whole else max(confidence, BEYOND_DOUBT)
    difference = panel.compare(features[label], features[rival], confidence=level)
    return Comparison(
        against=rival,
        mean=difference.mean,
        low=difference.low,
        high=difference.high,
        pictures_won=difference.won,
        pictures=difference.pictures,
        confidence=level if level != confidence else 0.0,
    )


def draw_sheet(
    storage: Storage, merge: Merge, target: TargetLook, study_shots: StudyShots, workshop: Workshop, outcome: Outcome
) -> None:
    """The finalists beside the parents, the best FLAT mix and the references, scores underneath."""
    shots, models = study_shots.proof, merge.models
    rows = drawn_first(len(shots))
    best_flat = _best_label([standing for standing in outcome.baselines if standing.label not in models])
    standings = [s for s in outcome.baselines if s.label in (*models, best_flat)] + list(outcome.finalists)
    columns = [
        sheets.SheetColumn(
            title="references",
            pictures=_reference_pictures(target.references, len(rows)),
            lines=["the look,", "not the prompts"],
            has_prompts=False,
        )
    ]
    for number, standing in enumerate(standings, start=-len(models)):
        kept = [workshop.renders.picture(standing.candidate, shots, row) for row in rows]
        title = standing.label if number < 1 else f"{number}: {standing.label}"
        columns.append(
            sheets.SheetColumn(
                title=title,
                pictures=[picture for picture in kept if picture is not None],
                lines=_standing_lines(outcome, standing, best_flat),
                warning=DRIFTED if standing.alarm else "",
                marked=outcome.winner is not None and standing.label == outcome.winner.label,
            )
        )
    sheets.finalists(
        columns,
        [shots[row].prompt for row in rows],
        storage.folder / outcome.sheet,
        title=f"{storage.name}: finalists on held-out prompts and seeds"
        + (f", proof {outcome.proof} of {outcome.proofs}" if outcome.proofs > 1 else ""),
        notes=[outcome.sentences()[-1], SHEET_NOTE],
        warnings=outcome.alarms(),
    )


def _spread_indices(count: int, most: int) -> list[int]:
    """Up to ``most`` indices spread evenly over ``count``."""
    step = max(1.0, count / most)
    return [int(i * step) for i in range(min(count, most))]


def _reference_pictures(paths: tuple[Path, ...], count: int) -> list[sheets.RgbPicture]:
    return [sheets.read_picture(paths[i]) for i in _spread_indices(len(paths), count)]


def _standing_lines(outcome: Outcome, standing: Standing, best_flat: str) -> list[str]:
    if standing.value is None:
        return ["broken: " + "; ".join(standing.reasons)]
    middle = outcome.from_middle(standing)
    lines = [] if middle is None else [f"from {MIDDLE} {middle:+.2f}"]
    lines += [f"VAE {Path(standing.vae).stem}"] if standing.vae else []
    for comparison in standing.comparisons:
        if comparison.against == best_flat:
            # Where the best FLAT mix is the middle one, its difference stands there already.
            lines += [f"from {best_flat} {comparison.mean:+.2f}"] if best_flat != MIDDLE or middle is None else []
            lines.append(f"{comparison.level(outcome.level)}: {comparison.low:+.2f} to {comparison.high:+.2f}")
    return lines
