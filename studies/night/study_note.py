"""The note of a whole study on the dashboard: the best recipe by the search's model, the references, the finalists."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from search.finalists import choose, posterior_means
from search.history import TrialRecord
from studies.drawing import sheets
from studies.errors import StudyError
from studies.store.dashboard.dashboard import study_picture, write_study_note
from studies.store.judged.outcome import MIDDLE, Outcome, read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.spec import SearchSettings, StudySpec, TargetLook

SHOWN = 12
"""The most references on the note."""
SIDE = 192
"""The longer side in pixels at which they are shown."""


def renew_study_note(spec: StudySpec, store: StudyStore) -> None:
    """Write our part of the study's note anew, where something has changed.

    The model of all trials is asked once, which takes seconds; so a night does this at its end, not at every trial.

    Raises:
        StudyError: a reference cannot be read.
    """
    lines = [*_best_lines(spec.search, store.history()), *_reference_lines(spec.target, store)]
    with suppress(StudyError):  # there is no proof yet, or one that `recipe-search run` makes again
        outcome = read_outcome(spec.storage.folder, spec.storage.name)
        lines += _finalist_lines(spec.storage.folder / outcome.sheet, outcome, store)
    write_study_note(store, "\n".join(lines))


def _best_lines(search: SearchSettings, history: Sequence[TrialRecord]) -> Iterator[str]:
    """The recipe that the model of all trials expects most of."""
    yield "## Best by the search's model"
    if not any(one.value is not None for one in history):
        yield "No trial has a score yet.\n"
        return
    point = choose(search.space, history, 1, search.plan)[0].point
    (expected,) = posterior_means(search.space, history, [point], search.plan)
    yield (
        f"It expects a score of {expected:+.2f} on the search's pictures; 0 is FLAT_50, and higher is closer to the "
        "look. The trial with the highest score is a lucky one in part. Neither is proved: see the finalists.\n"
    )
    yield f"```\n{search.candidate(point).recipe.text.strip()}\n```\n"


def _reference_lines(target: TargetLook, store: StudyStore) -> Iterator[str]:
    """The first references in one picture."""
    pictures = [sheets.read_picture(path) for path in target.references[:SHOWN]]
    with tempfile.TemporaryDirectory() as folder:
        sheets.thumbnails(pictures, Path(folder) / "references.png", SIDE)
        address = study_picture(store, Path(folder) / "references.png")
    more = len(target.references) - len(pictures)
    yield f"## References{f' (and {more} more)' if more else ''}\nThey show the look, not the prompts.\n"
    yield f"![references]({address})\n"


def _finalist_lines(sheet: Path, outcome: Outcome, store: StudyStore) -> Iterator[str]:
    """The proof: its sheet, and every lead with its interval."""
    yield "## Finalists, on held-out prompts and seeds"
    if sheet.exists():
        yield f"![finalists]({study_picture(store, sheet)})\n"
    yield f"| | recipe | from {MIDDLE} | leads, {outcome.level} intervals |\n|---|---|---|---|"
    for number, one in enumerate(outcome.finalists, start=1):
        middle = outcome.from_middle(one)
        value = "broken" if one.value is None else "" if middle is None else f"{middle:+.2f}"
        yield f"| {number} | {one.label} | {value} | {'; '.join(map(str, one.comparisons))} |"
    yield ""
    yield from (f"{sentence}\n" for sentence in (outcome.sentences()[-1], *outcome.alarms()))
