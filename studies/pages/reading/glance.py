"""What the list of studies shows of one: read as `status` reads it, since a list may have a hundred studies."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import Problems
from studies.status.journal_scan import JournalScan
from studies.status.state import StudyCounts, StudyState
from studies.store.backends.journal.journal import journal_of, studies_in
from studies.store.backends.requests import FolderRequests
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.judged.pins import Pin, read_pins

if TYPE_CHECKING:
    from studies.store.backends.backend import Backend
    from studies.studyfile.spec import Storage, StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyGlance:
    """What the list of studies shows of one."""

    shown_state: str
    """As `Snapshot` has it."""
    ended: int
    """Trials that have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResults:
    """What came of a study, as its files say."""

    outcome: Outcome | None
    pins: tuple[Pin, ...]
    problems: tuple[str, ...]
    """What of them cannot be read, for people."""

    @classmethod
    def read(cls, storage: Storage) -> StudyResults:
        """Read the results of a study; those that are damaged are left out."""
        folder, name = storage.folder, storage.name
        problems, outcome, pins = Problems(), None, tuple[Pin, ...]()
        with problems.collecting():
            outcome = read_outcome(folder, name) if (folder / "outcome.json").exists() else None
        with problems.collecting():
            pins = tuple(read_pins(folder, name))
        return cls(outcome=outcome, pins=pins, problems=tuple(map(str, problems.found)))


def is_begun(storage: Storage, backend: Backend) -> bool:
    """Return whether anything of a study is kept where its trials are to be."""
    return backend.exists() and (bool(storage.url) or storage.name in studies_in(storage.folder))


def shown_state(state: StudyState, pins: Collection[Pin], *, is_at_work: bool) -> str:
    """Return how a study stands, in one word of the pages: its state, or ``approved`` where a recipe is."""
    return "approved" if pins and not is_at_work else state


def journal_glance(spec: StudySpec, backend: Backend, *, is_at_work: bool) -> StudyGlance | None:
    """Return what the list shows of a study with a journal; None where only the whole reading can tell.

    Args:
        spec: the study file's content.
        backend: its journal's.
        is_at_work: whether a night is at work.

    Raises:
        StudyError: the journal is damaged, or another study's.
    """
    storage, results, scan = spec.storage, StudyResults.read(spec.storage), JournalScan(journal_of(spec.storage.folder))
    has_begun = is_begun(storage, backend)
    if has_begun:
        backend.refuse_unusable()
        scan.read()
    study = scan.study(storage.name)
    if scan.damaged:
        return None
    trials = [trial.standing for trial in study.trials if trial.standing != "interrupted"] if study else []
    counts = StudyCounts(
        asked=FolderRequests(storage.folder).asked(),
        is_at_work=is_at_work,
        has_begun=has_begun,
        notes=study.notes if study else {},
        trials=len(trials),
        running=trials.count("running"),
        scored=trials.count("scored"),
        planned=spec.search.suggester().total,
        proved=results.outcome.trials if results.outcome else None,
    )
    return StudyGlance(
        shown_state=shown_state(counts.state, results.pins, is_at_work=is_at_work),
        ended=counts.ended,
    )
