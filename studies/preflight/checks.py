"""Everything that would fail in a study, found in one go before anything expensive starts."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.devices import device_of
from engine.errors import EngineError, Named, Place, counted
from engine.files import file_kind
from engine.prompts.check import check_prompt, overflowing_weights
from studies.amounts import size_text, time_text
from studies.inputs.assets import embedding_hashes, refuse_misfits, refuse_unusable
from studies.preflight.estimate import (
    StudyEstimate,
    estimate,
    picture_seconds,
)
from studies.preflight.findings import Finding, Level, errors_at, is_fatal
from studies.preflight.memory import ALONE, Surroundings, memory_findings
from studies.preflight.models import models_of, odd_runs, unexportable, unfit_vaes
from studies.preflight.references import reference_findings
from studies.preflight.refusals import night_refusals
from studies.preflight.suggestions import NIGHT_S, shorter
from studies.studyfile.spec import Rendering, Storage, StudyShots, StudySpec

if TYPE_CHECKING:
    from engine.architecture.widths import Widths
    from engine.checkpoints.checkpoint import Checkpoint
    from scorers.panel.panel import Panel
    from scorers.panel.settings import PanelSettings

DEVICE = ("device", "device")
"""The key of the device in a study file."""


def preflight(
    spec: StudySpec, opened: Callable[[Panel], None] = lambda panel: None, *, around: Surroundings = ALONE
) -> tuple[Finding, ...]:
    """Check everything a study needs: files, models, references, scorers, folder, disk, memory, prompts, time.

    Nothing is written but a temporary file to try the study's folder, and that is removed again; and features of new
    references, once the study has its folder.

    Args:
        spec: the study.
        opened: is called with the scorers once they are open; they are not opened where something else is wrong.
        around: the card and the workers that are meant, where that is not this machine's device and one worker.

    Returns:
        Errors first, then warnings, then notes; without errors the study can start.
    """
    space, rendering, shots = spec.search.space, spec.rendering, spec.shots
    found = [
        *odd_runs(space),
        *_prompt_findings(shots, Path(spec.storage.file.name)),
        *_weight_findings(shots),
        *reference_findings(spec.target, spec.storage.file.parent, shots.shortest_side),
        *_scorer_findings(spec.scoring.panel_settings(spec.target, shots)),
        *_folder_findings(spec.storage),
        *_device_findings(rendering),
        *_upscaler_findings(rendering, shots),
    ]
    models = models_of(spec.merge, rendering, space.frame.family, found)
    found += [*unfit_vaes(rendering, models), *unexportable(models, spec.merge.export_dtype, space)]
    found += [*_embedding_findings(rendering, shots, models)]
    if set(models) == set(spec.merge.models):
        found += _resource_findings(spec, models, found, around)
    found += night_refusals(spec, models, opened, scorers=not is_fatal(found))
    order: Sequence[Level] = ("error", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _prompt_findings(shots: StudyShots, file: Path) -> Iterator[Finding]:
    """What has no effect in a prompt or looks like a slip, and wildcards that no list has."""
    yield from (Finding(level="warning", problem=problem.under(file)) for problem in shots.lost_wildcards)
    named = frozenset(problem.seen for problem in shots.lost_wildcards)
    texts: dict[tuple[str, bool], None] = {}
    for shot in shots.passes:
        texts |= {(shot.prompt, False): None, (shot.negative, True): None}
    for text, negative in texts:
        where = Named(f'{"negative" if negative else "prompt"} "{text[:40]}{"…" if len(text) > 40 else ""}"')
        for remark in check_prompt(text, negative=negative, named=named):
            yield Finding(level="warning", problem=remark.under(where))
        for problem in overflowing_weights(text, negative=negative):
            yield Finding(level="error", problem=problem.under(where))


def _weight_findings(shots: StudyShots) -> Iterator[Finding]:
    """What each prompt counts, where they do not all count alike."""
    if text := shots.weights_text:
        yield Finding.of("note", (Named("weights of prompts"),), text)


def _embedding_findings(rendering: Rendering, shots: StudyShots, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether every embedding that a prompt names can be read and suits the models."""
    try:
        for widths in {model.widths for model in models.values()}:
            refuse_misfits(rendering, shots, widths)
        embedding_hashes(rendering, shots)
    except EngineError as error:
        yield from errors_at(error, "render", "embeddings")


def _upscaler_findings(rendering: Rendering, shots: StudyShots) -> Iterator[Finding]:
    """Whether every upscaler that hires fix names can be used."""
    try:
        refuse_unusable(rendering, shots)
    except EngineError as error:
        yield from errors_at(error, "render", "upscalers")


def _scorer_findings(settings: PanelSettings) -> Iterator[Finding]:
    """Files of encoders and scorers, and plug-ins, that are missing, damaged or not the right ones."""
    from scorers.errors import ScorerError
    from scorers.panel.registry import load_plugins, sources_of
    from scorers.panel.verify import verified
    from scorers.scoring.plugins import plugin_files

    try:
        plugged = load_plugins(settings.weights, settings)
        names = [name for name in settings.weights if name not in plugged]
        sources = sources_of(settings, names, plugged.values())
    except ScorerError as error:
        yield from errors_at(error, "scorers")
        return
    for file in plugin_files(settings.weights, settings.here):
        what = f"a program that judges with all your rights (SHA-256 {file.sha256[:12]})"
        yield Finding.of("note", ("scorers", file.path), what)
    for missing in sources.missing:
        yield Finding(level="error", problem=missing.problem.under("scorers"))
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        found = list(verified(sources))
    configs = {files.config for files in settings.encoders.values()}
    for one in found:
        for problem in one.problems:
            place: Place = ("scorers", "encoder", "config") if configs & {*problem.place} else ("scorers",)
            yield Finding(level="error", problem=problem.under(*place).advised("see [scorers]"))
        if one.remark and not one.problems:
            yield Finding.of("warning", ("scorers", one.path), one.remark)
    yield from (Finding.of("warning", ("scorers",), str(remark.message)) for remark in remarks)


def _folder_findings(storage: Storage) -> Iterator[Finding]:
    """A folder that cannot be made or written."""
    folder = ancestor = storage.folder
    usual = folder == storage.file.parent / "runs" / storage.name
    place: Place = (folder,) if usual else ("study", "folder", folder)
    while not file_kind(ancestor) and ancestor.parent != ancestor:
        ancestor = ancestor.parent
    remedy = "set [study] folder to a place where you may write"
    if file_kind(ancestor) != "folder":
        yield Finding.of("error", place, f"{ancestor} is a {file_kind(ancestor) or 'file'}", remedy)
        return
    try:
        with tempfile.TemporaryFile(dir=ancestor) as file:
            file.write(b"recipe-search")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield Finding.of("error", place, f"cannot be written ({error.strerror})", remedy)


def _device_findings(rendering: Rendering) -> Iterator[Finding]:
    """A device that this machine lacks, or a precision that it is slow in."""
    try:
        device = device_of(rendering.device)
    except EngineError as error:
        yield from errors_at(error, *DEVICE)
        return
    if device.type == "cpu" and rendering.precision in ("fp16", "bf16"):
        what = f"{rendering.precision} on a CPU is slower than fp32 and less exact"
        yield Finding.of("warning", ("device", "precision"), what, "write auto")


def _resource_findings(
    spec: StudySpec, models: Mapping[str, Checkpoint], found: Sequence[Finding], around: Surroundings
) -> Iterator[Finding]:
    """Time, disk and memory; where the device is not there, the memory of a card that was named alone."""
    is_there = not any(finding.problem.place == DEVICE for finding in found)
    if is_there:
        need = estimate(spec.search, spec.shots, spec.rendering, models)
        yield _time_finding(spec, models["A"].widths, need)
        yield from _disk_findings(spec.storage.folder, need)
    if is_there or around.vram is not None:
        yield from memory_findings(spec, models, around, spec.scoring.panel_settings(spec.target, spec.shots))


def _time_finding(spec: StudySpec, widths: Widths, need: StudyEstimate) -> Finding:
    """The time; more than a night is warned of, with what would make it one."""
    size = f"{counted(need.trials, 'trial')}, {counted(need.pictures, 'picture')}"
    what = f"{size}: about {time_text(need.seconds)} on this {need.device}"
    if need.seconds <= NIGHT_S:
        return Finding.of("note", (Named("time"),), what)
    device = device_of(spec.rendering.device)
    remedy = shorter(spec.search, spec.shots, need, lambda shot: picture_seconds(shot, widths, device, need.speed))
    return Finding.of("warning", (Named("time"),), what, remedy)


def _disk_findings(folder: Path, need: StudyEstimate) -> Iterator[Finding]:
    place = next(path for path in (folder, *folder.parents) if file_kind(path))
    free = shutil.disk_usage(place).free
    needed_bytes = (
        f"about {size_text(need.disk_bytes)}, and {size_text(need.export_bytes)} for each exported checkpoint"
    )
    level: Level = "note"
    if free < need.disk_bytes:
        level = "error"
    elif free < need.disk_bytes + need.export_bytes:
        level = "warning"
    remedy = "" if level == "note" else "free some space, or move [study] folder"
    yield Finding.of(level, (Named("disk"), place), f"{needed_bytes}; {size_text(free)} are free", remedy)
