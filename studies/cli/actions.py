"""The work of the commands once the study file is read: check, repair, search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from engine.errors import Named, Problems, counted
from search.shots import ObservationNoise
from studies.after_recipe.probe.designs.cost import probe_costs
from studies.after_recipe.settings.plan import settings_costs
from studies.after_recipe.situations.at_night import examine_first_finalist
from studies.after_recipe.situations.planned import situations_costs
from studies.errors import StudyError
from studies.limits.deadline import NightLimits
from studies.limits.disk import disk_errors_named
from studies.night.continuing.fingerprint import refuse_other_inputs_than_before
from studies.night.night import Night
from studies.night.proved import nothing_afterwards
from studies.night.proving.proofs import PROOFS, ProofNumber
from studies.preflight.checks import preflight
from studies.preflight.findings import Finding, is_fatal
from studies.preflight.memory import ALONE, Surroundings
from studies.preflight.reach import reach_findings
from studies.review.proof_table import standings
from studies.store.backends.journal.journal import refuse_other_study, repair
from studies.store.backends.journal.workers import alone
from studies.store.backends.of_study import backend_of
from studies.store.judged.outcome import Outcome
from studies.store.note_keys import NOISE, PROVED
from studies.store.opening import not_run, open_store
from studies.studyfile.spec import Storage, StudySpec

if TYPE_CHECKING:
    from scorers.panel.panel import Panel
    from studies.store.storage import StudyStore


def check_study(spec: StudySpec, around: Surroundings = ALONE) -> tuple[Finding, ...]:
    """Check everything that would fail, and whether the study can go on where it was begun; errors come first."""
    problems = Problems()

    def compare(panel: Panel) -> None:
        with problems.collecting():
            refuse_other_inputs_than_before(spec, panel)

    found = preflight(spec, opened=compare, around=around)
    errors = (*(Finding(level="error", problem=problem) for problem in problems.found), *found)
    if is_fatal(errors):
        return errors
    each = _picture_seconds(spec)
    costs = [*situations_costs(spec, each), *settings_costs(spec, each), *probe_costs(spec, each)]
    wrong = [one for one in costs if one.level == "error"]
    store = open_store(spec.storage) if backend_of(spec.storage).exists() else None
    return (*wrong, *errors, *_made(store), *_reach(spec, store), *(one for one in costs if one not in wrong))


def _made(store: StudyStore | None) -> Iterator[Finding]:
    """What there is of the study already: times are those of the whole plan."""
    if store is None or not (trials := store.trials()):
        return
    proof = f", and a proof after {proved['trials']:,}" if (proved := store.noted(PROVED)) else ""
    yield Finding.of(
        "note", (Named("made already"),), f"{counted(len(trials), 'trial')}{proof}; time is of the whole plan"
    )


def _reach(spec: StudySpec, store: StudyStore | None) -> Iterator[Finding]:
    """What the night will be able to tell, by the noise that its calibration measured, where it has been."""
    known: dict[str, Any] = (store and store.noted(NOISE)) or {}
    names = ("paired", "common", "between")
    noise = ObservationNoise(**{name: known[name] for name in names}) if known.keys() >= {*names} else None
    proofs = len((store and store.noted(PROOFS)) or ())
    confidence = ProofNumber(number=proofs + 1, known=proofs + 1, key="").confidence
    drawn = int(known.get("shots", 0))
    return reach_findings(spec.search, spec.shots, noise, drawn=drawn, confidence=confidence)


def refuse_unready(spec: StudySpec, console: Console, *, workers: int = 1) -> None:
    """Check everything that would fail with so many workers at once, and print errors and warnings.

    Raises:
        StudyError: the check found an error.
    """
    findings = check_study(spec, Surroundings(workers=workers))
    for finding in findings:
        if finding.level != "note":
            console.print(finding.line, highlight=False, markup=False)
    if is_fatal(findings):
        raise StudyError("nothing was started", place=(spec.storage.file,), remedy="fix the errors above")


def repair_study(storage: Storage) -> str:
    """Mend the journal of a study, where it is damaged.

    Returns:
        What was done, for people.

    Raises:
        StudyError: a worker is at the study.
    """
    if storage.url:
        return f"{backend_of(storage).place}: a database has no journal that could be damaged"
    refuse_other_study(storage.folder, storage.name)
    if not storage.folder.is_dir():
        raise not_run(storage)
    with alone(storage.folder), disk_errors_named(storage.folder):
        return repair(storage.folder, storage.name)


def search_study(
    spec: StudySpec,
    typed_path: str,
    console: Console,
    *,
    proof: bool = True,
    limits: NightLimits | None = None,
    begin_again: Callable[[], None] = lambda: None,
    begun_again: bool = False,
) -> Outcome | None:
    """Search, prove, and print what to do next; call `refuse_unready` first.

    Args:
        spec: the study.
        typed_path: the study as it was typed, for the commands to type next.
        console: takes progress and results.
        proof: whether to prove the finalists when no trial is left.
        limits: what the night may take; None: what its plan needs.
        begin_again: as ``Night`` takes it.
        begun_again: as ``Night`` takes it.

    Returns:
        The outcome; None if another worker makes it, or if none is to be made.

    Raises:
        StudyError: the night ended early.
        EngineError, ScorerError, SearchError: as ``Night.run``.
    """
    guess = _picture_seconds(spec) if limits and limits.is_limited else None
    outcome = Night(
        spec,
        console,
        proof=proof,
        limits=limits,
        guess=guess,
        begin_again=begin_again,
        begun_again=begun_again,
        afterwards=examine_first_finalist if spec.situations.night else nothing_afterwards,
    ).run()
    if not proof:
        console.print(f"no proof was made; `recipe-search run {typed_path}` makes it", highlight=False, markup=False)
    if outcome is None:
        return None
    console.print(standings(outcome))
    for sentence in (*outcome.sentences(), *outcome.alarms()):
        console.print(sentence, highlight=False, markup=False)
    console.print(f"contact sheet: {spec.storage.folder / outcome.sheet}", highlight=False, markup=False)
    console.print(f"every number: recipe-search show {typed_path} --details", highlight=False, markup=False)
    console.print(
        "look at it, then approve the one you want and export it:"
        if outcome.winner is not None
        else "more prompts or another [space] may find a better one. To approve one of these anyway:",
        highlight=False,
        markup=False,
    )
    console.print(
        f'  recipe-search approve {typed_path} --finalist 1 --note "why this one"', highlight=False, markup=False
    )
    console.print(f"  recipe-search export {typed_path}", highlight=False, markup=False)
    return outcome


def _picture_seconds(spec: StudySpec) -> float:
    """The seconds of a picture, as `check` estimates them."""
    from engine.checkpoints.checkpoint import open_checkpoint
    from engine.devices import device_of
    from studies.preflight.estimate import picture_seconds

    widths = open_checkpoint(spec.merge.models["A"]).widths
    return picture_seconds(spec.shots.trials[0], widths, device_of(spec.rendering.device))
