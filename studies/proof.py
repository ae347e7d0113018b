"""The proof: finalists, parents and FLAT mixes rendered again on prompts and seeds that no trial has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from engine.recipe import Recipe
from search.finalists import choose, expected, optimism
from search.history import Point, Told
from studies import sheets
from studies.noise import doubts, suggester_of
from studies.outcome import REPORTED, Comparison, Outcome, Standing, write_outcome
from studies.progress import meter
from studies.simplify import Lead, simplified
from studies.storage import StudyStore, complete
from studies.studyfile import StudySpec
from studies.workshop import Workshop

if TYPE_CHECKING:
    from scorers.features import Features
    from scorers.likeness import Likeness
    from scorers.panel import Panel

SHEET_ROWS = 6
"""Prompts shown on the finalists' sheet."""
PARENTS = {"A": Recipe.flat(0.0), "B": Recipe.flat(1.0)}
FLATS = {f"FLAT_{percent}": Recipe.flat(percent / 100) for percent in (25, 50, 75)}


def prove(
    spec: StudySpec, workshop: Workshop, store: StudyStore, models: Mapping[str, str], console: Console
) -> Outcome:
    """Render all on the held-out shots, compare at equal prompts and seeds, write sheet and outcome.

    The winner, if there is one, is made simpler as long as that costs nothing that can be told, and goes first then.
    """
    history = store.history()
    points = {finalist.label: finalist.point for finalist in choose(spec.space, history, spec.finalists, spec.plan)}
    recipes = PARENTS | FLATS | {label: spec.space.decode(point) for label, point in points.items()}
    looks = _looks(spec, workshop, recipes, console)
    standings = _standings(workshop.panel, recipes, looks, tuple(points))
    finalists = sorted((standings[label] for label in points), key=_by_value)
    outcome = Outcome(
        models=dict(models),
        baselines=tuple(standings[label] for label in (*PARENTS, *FLATS)),
        finalists=tuple(finalists),
        sheet=str(spec.folder / "finalists.png"),
        remarks=_remarks(store),
        course=_course(spec, store, history, points, finalists[0]),
    )
    if outcome.winner is not None:
        won = outcome.winner
        lead = min((Lead.of(comparison) for comparison in won.comparisons), key=lambda lead: lead.mean)
        simple = simplified(spec, workshop, history, points[won.label], lead, console)
        if simple is not None:
            label = f"{won.label}, simpler"
            recipes |= {label: spec.space.decode(simple.point)}
            looks |= _looks(spec, workshop, {label: recipes[label]}, console)
            first = _standings(workshop.panel, recipes, looks, (label,))[label]
            loss = _compare(workshop.panel, looks, label, won.label)
            outcome = replace(outcome, finalists=(first, *finalists), simpler=simple.sentence(loss))
    draw_sheet(spec, workshop, outcome)
    write_outcome(spec.folder, outcome)
    return outcome


def _looks(spec: StudySpec, workshop: Workshop, recipes: Mapping[str, Recipe], console: Console) -> dict[str, Features]:
    """Features of the held-out pictures, which are all kept."""
    looks: dict[str, Features] = {}
    with meter("proving the finalists", len(recipes), console) as bar:
        for label, recipe in recipes.items():
            looks[label] = workshop.make(recipe, spec.proof_shots, pictures=True).features
            bar.advance(note=label)
    return looks


def _standings(
    panel: Panel, recipes: Mapping[str, Recipe], looks: Mapping[str, Features], finalists: Sequence[str]
) -> dict[str, Standing]:
    """All baselines' results, and the finalists' beside both parents and the best FLAT mix."""
    likenesses = panel.likenesses(looks, (*PARENTS, *FLATS))
    labels = (*PARENTS, *FLATS, *finalists)
    found = {label: _standing(panel, label, recipes[label], looks[label], likenesses[label]) for label in labels}
    rivals = [*PARENTS, _best([found[label] for label in FLATS])]
    for label in finalists:
        comparisons = tuple(_compare(panel, looks, label, rival) for rival in rivals)
        found[label] = replace(found[label], comparisons=comparisons)
    return found


def _by_value(standing: Standing) -> float:
    return -standing.value if standing.value is not None else math.inf


def _course(
    spec: StudySpec, store: StudyStore, history: Sequence[Told], points: Mapping[str, Point], first: Standing
) -> tuple[str, ...]:
    """How the stages ended, and how much of what the search promised was luck."""
    lines = [str(ending) for ending in suggester_of(spec, store).endings(history)] + list(doubts(store))
    luck = optimism(spec.space, history, spec.plan)
    if luck is not None:
        lines.append(f"The best trial's score is {luck:+.2f} against what all trials together let one expect of it.")
    held = first.comparisons[-1]
    flat = spec.space.flat(int(held.against.removeprefix("FLAT_")) / 100)
    mine, theirs = expected(spec.space, history, [points[first.label], flat], spec.plan)
    lines.append(
        f"{first.label} against {held.against}: {mine - theirs:+.2f} is what the search promises of its own pictures, "
        f"{held.mean:+.2f} what held-out ones say."
    )
    return tuple(lines)


def _standing(panel: Panel, label: str, recipe: Recipe, look: Features, likeness: Likeness) -> Standing:
    verdict = panel.judge(look)
    numbers = (likeness.cmmd, likeness.polynomial_mmd, likeness.drift)
    return Standing(
        label=label,
        recipe=recipe.text,
        value=verdict.value,
        reasons=tuple(verdict.reasons),
        numbers=dict(zip(REPORTED, numbers, strict=True)),
        alarm=likeness.alarm,
    )


def _remarks(store: StudyStore) -> tuple[str, ...]:
    """Whether two read-outs of the look disagree over the trials."""
    from scorers.leak import disagreement_alarm

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
    flats = [standing for standing in outcome.baselines if standing.label in FLATS]
    best_flat = _best(flats)
    shown = [s for s in outcome.baselines if s.label in (*PARENTS, best_flat)] + list(outcome.finalists)
    columns = [
        sheets.Column(title="references", pictures=_references(spec.references, len(rows)), lines=["the wanted look"])
    ]
    for number, standing in enumerate(shown, start=1 - len(PARENTS) - 1):
        kept = workshop.renders.pictures(Recipe.parse(standing.recipe), shots) or []
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
    lines = [f"score {standing.value:+.2f}"]
    for comparison in standing.comparisons:
        if comparison.against == best_flat:
            lines += [
                f"vs {best_flat} {comparison.mean:+.2f}",
                f"95 %: {comparison.low:+.2f} to {comparison.high:+.2f}",
            ]
    return lines
