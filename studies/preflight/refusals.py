"""What a night would refuse once it has begun, asked of the same code before anything is rendered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from engine.devices import device_of
from engine.errors import Problems
from studies.preflight.findings import Finding
from studies.results.probe_beginning import copy_of_probe
from studies.store.backends.journal.workers import refuse_elsewhere
from studies.store.backends.locks import refuse_no_locks
from studies.store.backends.of_study import backend_of
from studies.store.earlier import refuse_earlier
from studies.studyfile.earlier import PROBE
from studies.studyfile.enough import refuse_too_few
from studies.studyfile.spec import SearchSettings, Storage, StudyShots, StudySpec

if TYPE_CHECKING:
    from pathlib import Path

    from engine.checkpoints.checkpoint import Checkpoint
    from scorers.panel.panel import Panel


def night_refusals(
    spec: StudySpec, models: Mapping[str, Checkpoint], opened: Callable[[Panel], None], *, scorers: bool
) -> Iterator[Finding]:
    """Yield what a night would refuse: too few pictures, folders, scorers that do not work; and what it begins with.

    Args:
        spec: the study.
        models: those that could be opened, by letter.
        opened: is called with the scorers once they are open.
        scorers: whether to open the scorers and show them the references, which needs files that can be used.
    """
    problems = Problems()
    with problems.collecting():
        refuse_too_few(spec.search, spec.shots)
    _collect_of_clip_skip(spec.shots, models, problems)
    _collect_of_folder(spec.storage, problems)
    if spec.search.earlier is not None and spec.search.plan.earlier is None:
        with problems.collecting("search", "begin"):
            yield Finding.of("note", ("search", "begin"), _begun_with(spec.search, spec.search.earlier, spec.storage))
    if scorers:
        _collect_of_scorers(spec, opened, problems)
    yield from (Finding(level="error", problem=problem) for problem in problems.found)


def _begun_with(search: SearchSettings, place: Path, own: Storage) -> str:
    """Return what the study will take over of earlier trials, in a sentence.

    Raises:
        StudyError: they cannot be used.
    """
    if PROBE in search.begin:
        return copy_of_probe(own.folder, search.space, search.seed).remark
    return refuse_earlier(search, place, own)


def _collect_of_clip_skip(shots: StudyShots, models: Mapping[str, Checkpoint], problems: Problems) -> None:
    """Text encoders with fewer layers than the clip skip counts; it has an effect on SD1 alone."""
    from engine.prompts.encoders import refuse_clip_skip

    layers = {model.widths.encoders[0].used_layers for model in models.values() if model.family == "sd1"}
    for clip_skip in sorted({shot.clip_skip for shot in shots.passes}):
        for count in layers:
            with problems.collecting("render", "clip_skip"):
                refuse_clip_skip(clip_skip, count)


def _collect_of_folder(storage: Storage, problems: Problems) -> None:
    """Another study, a damaged journal, a file system without locks, another machine at work."""
    with problems.collecting():
        backend_of(storage).refuse_unusable()
    if storage.url:
        return
    with problems.collecting():
        refuse_elsewhere(storage.folder)
        refuse_no_locks(storage.folder)


def _collect_of_scorers(spec: StudySpec, opened: Callable[[Panel], None], problems: Problems) -> None:
    from scorers.panel.panel import Panel

    references = set(spec.target.references)
    own = Problems()
    with own.collecting(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the check says it in its own words
        opened(Panel.open(spec.panel_settings(), device=device_of(spec.rendering.device)))
    for problem in own.found:
        of_pictures = bool(references.intersection(problem.place))
        problems.extend([problem.under("target", "references") if of_pictures else problem.under("scorers")])
