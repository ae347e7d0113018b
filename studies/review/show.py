"""The state of a study, as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

from engine.errors import ProblemError, Problems, counted
from engine.files import file_kind, replaced
from engine.supermerger.fields import fields_of
from engine.supermerger.runs import joined_runs
from studies.errors import StudyError
from studies.limits.size import size_of
from studies.limits.thinning import thinned_words
from studies.night.calibration import OFF
from studies.night.noise import suggester_of
from studies.review.exporting.chains import chain_lines, chain_of_pin
from studies.review.exporting.history import study_stage
from studies.review.judging.rejections import read_rejections
from studies.review.measured import measured_lines
from studies.review.pareto import aspects_by_number, non_dominated, pareto_table
from studies.review.proof_table import standings
from studies.review.spent import came_to_pictures, pictures_spent
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.judged.pins import Pin, read_pins
from studies.store.records import Stop
from studies.store.storage import WORKER, StudyStore, complete
from studies.studyfile.spec import Merge, SearchSettings, Storage, StudyShots

CALIBRATION = "calibration"
"""Key of the study's note of what calibration found."""
SCORE = (
    "score: how close a trial's pictures of the search come to the look; higher is closer, 0 is FLAT_50, ± is its "
    "standard error. A score is a promise; the proof, on held-out pictures, is what counts."
)
"""What a score is, for people."""
LEAST_TOLD = 0.005
"""The least penalty that changes a score as it is printed."""


def overview(
    storage: Storage,
    search: SearchSettings,
    shots: StudyShots,
    store: StudyStore,
    *,
    top: int = 10,
    pareto: bool = False,
    details: bool = False,
    merge: Merge | None = None,
) -> Iterator[Any]:
    """Tables and lines for a rich console: stages, best trials or the Pareto view, failures, outcome, pins.

    Then what situations, settings and probe found. With ``details`` also what calibration found, and the distances of
    whole sets of pictures; with ``merge`` also the chain that a pin ends.

    Raises:
        StudyError: after everything that can be shown: the outcome or pins are damaged, or another study's.
    """
    trials = store.trials()
    best = complete(trials)
    yield f"study {storage.name}: {counted(len(trials), 'trial')}, {len(best)} with a value, in {storage.folder}"
    if merge is not None and (stage := study_stage(merge.models)):
        yield f"stage {stage.number} of a chain:"
        yield from (f"  {line}" for line in stage.lines)
    yield from _at_work(store, suggester_of(search, shots, store).total)
    yield from _given_up(best)
    yield from _spent(storage, search, shots, trials)
    if store.rescored:
        yield f"scores are those of rescoring {store.rescored}; earlier ones are in the journal"
    off = store.noted(OFF)
    if off:
        yield f"switched off, since noise hides the differences between recipes: {', '.join(off)}"
    if text := shots.weights_text:
        yield f"weights of prompts: {text}"
    if details:
        yield from store.noted(CALIBRATION) or ()
    yield size_of(storage.folder).sentence() + thinned_words(storage.keep)
    yield SCORE
    if pareto:
        yield pareto_table(best)
    else:
        yield _BestTrials(best[:top])
        yield from penalty_lines(best[:top])
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    for trial in failed[-5:]:
        yield f"trial {trial.number} has no value: {trial.user_attrs.get('reason', 'no reason recorded')}"
    problems = Problems()
    with problems.collecting():
        yield from _outcome_lines(storage, len(best), details=details)
    with problems.collecting():
        for pin in read_pins(storage.folder, storage.name):
            what = f"recipe {pin.recipe_key[:8]}" + (f", VAE {pin.vae}" if pin.vae else "")
            yield f"pin {pin.number}: {pin.source}, {what}, by {pin.by} at {pin.at}: {pin.note}"
            if merge is not None:
                yield from chain_of_pin_lines(merge, pin)
    with problems.collecting():
        for one in read_rejections(storage.folder):
            yield f"rejected: {one.label}, recipe {one.key[:8]}, by {one.by} at {one.at}: {one.words}"
    yield from measured_lines(storage.folder, problems)
    problems.raise_as(StudyError)


def chain_of_pin_lines(merge: Merge, pin: Pin) -> Iterator[str]:
    """Say the stages before a pin, where its models were merged too and are there."""
    try:
        yield from (f"  {line}" for line in chain_lines(chain_of_pin(merge, pin)))
    except ProblemError as error:
        yield f"  whether it ends a chain is not known: {error}"


def _outcome_lines(storage: Storage, trials: int, *, details: bool) -> Iterator[Any]:
    """The proof, where there is one."""
    if not (storage.folder / "outcome.json").exists():
        return
    outcome = read_outcome(storage.folder, storage.name)
    yield standings(outcome, details=details)
    yield from outcome.sentences()
    yield from outcome.alarms()
    if trials < outcome.trials:
        yield (
            f"The outcome was made of {counted(outcome.trials, 'trial')} with a value, and the journal holds {trials}: "
            "its end is lost. Restore it from a backup, or let `recipe-search run` make the lost ones again, from kept "
            "pictures."
        )
    yield from _to_copy(outcome)
    sheet = storage.folder / outcome.sheet
    yield f"contact sheet: {sheet}" + ("" if sheet.exists() else " (is gone; `recipe-search run` draws it again)")


def _at_work(store: StudyStore, most: int) -> Iterator[str]:
    """The workers at work, their trials, and the most trials in all."""
    if workers := store.backend.at_work():
        trials = [trial for trial in store.in_work() if trial.user_attrs.get(WORKER) in workers]
        doing = ", ".join(f"trial {trial.number} ({trial.user_attrs['stage']})" for trial in trials)
        count = "1 worker" if len(workers) == 1 else f"{len(workers)} workers"
        yield f"{count} at work: {doing or 'no trial at this moment'}; at most {counted(most, 'trial')} in all"


def _given_up(trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """What racing spared, where there was any."""
    stops = [stop for trial in trials if (stop := Stop.of(trial.user_attrs))]
    if stops:
        spared = counted(sum(stop.shots - len(stop.drawn) for stop in stops), "picture")
        yield f"racing: {counted(len(stops), 'trial')} given up early, {spared} not drawn"


def _spent(storage: Storage, search: SearchSettings, shots: StudyShots, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """How many pictures were made."""
    tried = [trial.user_attrs for trial in trials if "recipe_key" in trial.user_attrs and came_to_pictures(trial)]
    if not tried:
        return
    outcome = None
    with suppress(StudyError):  # what is wrong with it is told where it is shown
        outcome = read_outcome(storage.folder, storage.name)
    spent = pictures_spent(search, shots, tried, outcome)
    line = f"pictures: {spent.search:,} for the search, {spent.calibration:,} of them of the calibration recipes"
    yield line + (f"; {spent.proof:,} for the proof" if spent.proof else "")


class _BestTrials:
    """A table of trials with as many scorers as the terminal has room for, in their order."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        self.trials = trials
        self.names = list(dict.fromkeys(name for trial in trials for name in trial.user_attrs.get("scores", {})))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, and say which scorers are left out."""
        shown, unbounded = self.names, options.update(max_width=1000)
        while shown and Measurement.get(console, unbounded, self._table(shown)).maximum > options.max_width:
            shown = shown[:-1]
        yield self._table(shown)
        if left := self.names[len(shown) :]:
            yield f"no room here for {', '.join(left)}; --csv has every score"

    def _table(self, names: Sequence[str]) -> Table:
        # Few rules and no column that is empty: a terminal of 80 characters must not cut numbers off.
        table = Table(
            title="promise: the highest scores, on the search's pictures (lucky ones in part)",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=0,
        )
        for heading in ("trial", "stage", "score", "±", *names, "recipe"):
            words = heading in ("stage", "recipe")
            table.add_column(heading, justify="left" if words else "right", min_width=0 if words else 5, no_wrap=True)
        for trial in self.trials:
            scores = trial.user_attrs.get("scores", {})
            error = trial.user_attrs.get("standard_error")
            table.add_row(
                str(trial.number),
                str(trial.user_attrs["stage"]),
                f"{trial.value:+.2f}",
                "" if error is None else f"{error:.2f}",
                *(f"{scores[name]['scaled']:+.2f}" if name in scores else "" for name in names),
                " ".join(filter(None, [str(trial.user_attrs.get("recipe_key", ""))[:8], trial.user_attrs.get("vae")])),
            )
        return table


def penalty_lines(trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Say the penalties that show in the scores of trials, by name."""
    taken = [
        f"{name} {share:.2f} of trial {trial.number}"
        for trial in trials
        for name, share in trial.user_attrs.get("penalties", {}).items()
        if share >= LEAST_TOLD
    ]
    if taken:
        yield f"penalties, in these scores already: {', '.join(taken)}"


def write_csv(store: StudyStore, path: Path) -> None:
    """Write every trial as a row: state, value, parameters, scores, intervals, penalties, front, recipe, reason.

    Raises:
        StudyError: the folder of the file does not exist, or its name is no table's, so that it may be another file.
    """
    import pandas as pd

    if path.suffix.lower() != ".csv":
        raise StudyError("is no name of a table", place=(path,), remedy="name a file that ends in .csv")

    if file_kind(path.parent) != "folder":
        raise StudyError("there is no such folder", place=(path.parent,), remedy="make it first, or name another file")

    trials = store.study.get_trials(deepcopy=False)
    front = non_dominated(aspects_by_number(complete(trials)))
    rows = [
        {"trial": trial.number, "state": trial.state.name, "value": trial.value, **trial.params}
        | _csv_columns(trial)
        | {"pareto": trial.number in front}
        | {
            name: trial.user_attrs.get(name)
            for name in ("stage", "standard_error", "recipe_key", "recipe", "vae", "reason")
        }
        for trial in trials
    ]
    with replaced(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def _csv_columns(trial: FrozenTrial) -> dict[str, float | None]:
    """Every measured value of a trial, by column."""
    attributes = trial.user_attrs
    low, high = attributes.get("interval") or (None, None)
    columns: dict[str, float | None] = {"low": low, "high": high}
    for name, part in attributes.get("scores", {}).items():
        columns |= {f"{name}.{field}": number for field, number in part.items()}
    for name, one in attributes.get("aspects", {}).items():
        low, high = one["interval"] or (None, None)
        columns |= {f"aspect {name}": one["value"], f"aspect {name}.low": low, f"aspect {name}.high": high}
    return columns | {f"taken for {name}": taken for name, taken in attributes.get("penalties", {}).items()}


def _to_copy(outcome: Outcome) -> Iterator[str]:
    """Every finalist as the lines to paste into SuperMerger, each whole."""
    for number, standing in enumerate(outcome.finalists, start=1):
        recipe = standing.candidate.recipe
        runs = joined_runs(recipe)
        for place, run in enumerate(runs, start=1):
            fields = fields_of(run.step, recipe.rules, recipe.family)
            whose = f"finalist {number}" + (f", run {place} of {len(runs)}" if len(runs) > 1 else "")
            yield f"{whose} in SuperMerger, {fields.mode}, {fields.calculation}:"
            yield f"  weights: {fields.weights_alpha}" if fields.mbw else f"  alpha: {fields.alpha:g}"
            texts = {"weights beta": fields.weights_beta, "elemental": fields.elemental, "Adjust": fields.adjust}
            yield from (f"  {name}: {text}" for name, text in texts.items() if text)
