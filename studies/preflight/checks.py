"""Everything that would fail in a study, found in one go before anything expensive starts."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.devices import device_of
from engine.errors import EngineError, Named
from engine.prompts.check import check_prompt
from studies.inputs.assets import embedding_hashes, refuse_misfits, refuse_unusable
from studies.preflight.estimate import StudyEstimate, estimate, free_memory, size_text, time_text
from studies.preflight.findings import Finding, Level, errors_at, is_fatal
from studies.preflight.models import models_of, odd_runs, unfit_vaes
from studies.preflight.refusals import night_refusals
from studies.studyfile.spec import Rendering, StudyShots, StudySpec, TargetLook

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint
    from scorers.panel.settings import PanelSettings

FEWEST_REFERENCES = 4
"""The fewest references: with fewer, a style cannot be separated from a subject, unless words name it."""
GOOD_REFERENCES = 8
"""The number of references below which the check warns."""
JPEG = (".jpg", ".jpeg")
DEVICE = ("device", "device")
"""The key of the device in a study file."""


def preflight(spec: StudySpec) -> tuple[Finding, ...]:
    """Check everything a study needs: files, models, references, scorers, folder, disk, memory, prompts, time.

    Nothing is written but a temporary file to try the study's folder, and that is removed again.

    Returns:
        Errors first, then warnings, then notes; without errors the study can start.
    """
    space, rendering, shots = spec.search.space, spec.rendering, spec.shots
    found = [
        *odd_runs(space),
        *_prompt_findings(shots),
        *_reference_findings(spec.target, spec.storage.file.parent),
        *_scorer_findings(spec.scoring.panel_settings(spec.target, shots)),
        *_folder_findings(spec.storage.folder),
        *_device_findings(rendering),
        *_upscaler_findings(rendering, shots),
    ]
    models = models_of(spec.merge, rendering, space.frame.family, found)
    found += [*unfit_vaes(rendering, models), *_embedding_findings(rendering, shots, models)]
    if set(models) == set(spec.merge.models):
        found += _resource_findings(spec, models, found)
    found += night_refusals(spec, scorers=not is_fatal(found))
    order: Sequence[Level] = ("error", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _prompt_findings(shots: StudyShots) -> Iterator[Finding]:
    texts: dict[tuple[str, bool], None] = {}
    for shot in shots.passes:
        texts |= {(shot.prompt, False): None, (shot.negative, True): None}
    for text, negative in texts:
        where = Named(f'{"negative" if negative else "prompt"} "{text[:40]}{"…" if len(text) > 40 else ""}"')
        for remark in check_prompt(text, negative=negative):
            yield Finding(level="warning", problem=remark.under(where))


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


def _reference_findings(target: TargetLook, here: Path) -> Iterator[Finding]:
    """Missing folders, files that are no pictures, too few of them."""
    from scorers.encoders.preprocess import load_picture
    from scorers.errors import ScorerError

    where, good = ("target", "references"), 0
    for path in target.references:
        try:
            load_picture(path)
        except ScorerError as error:
            remedy = "remove it, or save it as PNG or JPEG"
            if not path.exists():
                remedy = f"name a folder or pictures; paths start from {here}"
            for problem in error.problems:
                yield Finding(level="error", problem=problem.under(*where).advised(remedy))
        else:
            good += 1
    remedy = f"give {GOOD_REFERENCES} to 40 pictures of the target look, of different subjects"
    needed = 1 if target.like else FEWEST_REFERENCES
    if good < needed:
        yield Finding.of(
            "error",
            where,
            f"{_picture_count(good)}, {needed} {'is' if needed == 1 else 'are'} needed",
            remedy if target.like else f"{remedy}; or 1 to 3 pictures, with the look in words (like)",
        )
    elif good < GOOD_REFERENCES:
        yield Finding.of("warning", where, f"{_picture_count(good)} show little of a style", remedy)
    jpegs = sum(path.suffix.lower() in JPEG for path in target.references)
    if jpegs:
        yield Finding.of(
            "note",
            where,
            f"{jpegs} of {len(target.references)} are JPEG files; strong compression counts as look",
            "use PNG files, or JPEG files of quality 90 and more",
        )


def _picture_count(count: int) -> str:
    return {0: "there is no picture", 1: "there is 1 picture"}.get(count, f"{count} pictures")


def _scorer_findings(settings: PanelSettings) -> Iterator[Finding]:
    """Files of encoders and scorers, and plug-ins, that are missing, damaged or not the right ones."""
    from scorers.errors import ScorerError
    from scorers.panel.registry import load_plugins, sources_of
    from scorers.panel.verify import verified

    try:
        plugged = load_plugins(settings.weights, settings.here)
        names = [name for name in settings.weights if name not in plugged]
        sources = sources_of(settings, names, plugged.values())
    except ScorerError as error:
        yield from errors_at(error, "scorers")
        return
    for missing in sources.missing:
        yield Finding(level="error", problem=missing.problem.under("scorers"))
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        found = list(verified(sources))
    for one in found:
        for problem in one.problems:
            yield Finding(level="error", problem=problem.under("scorers").advised("see [scorers]"))
        if one.remark and not one.problems:
            yield Finding.of("warning", ("scorers", one.path), one.remark)
    yield from (Finding.of("warning", ("scorers",), str(remark.message)) for remark in remarks)


def _folder_findings(folder: Path) -> Iterator[Finding]:
    """A folder that cannot be made or written."""
    ancestor = folder
    while not ancestor.exists() and ancestor.parent != ancestor:
        ancestor = ancestor.parent
    remedy = "set [study] folder to a place where you may write"
    if not ancestor.is_dir():
        yield Finding.of("error", (folder,), f"{ancestor} is a file", remedy)
        return
    try:
        with tempfile.TemporaryFile(dir=ancestor) as file:
            file.write(b"recipe-search")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield Finding.of("error", (folder,), f"cannot be written ({error.strerror})", remedy)


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
    spec: StudySpec, models: Mapping[str, Checkpoint], found: Sequence[Finding]
) -> Iterator[Finding]:
    """Time, disk and memory."""
    if any(finding.problem.place == DEVICE for finding in found):
        return
    settings = spec.scoring.panel_settings(spec.target, spec.shots)
    need = estimate(spec.search, spec.shots, spec.rendering, settings, models)
    speed = f"about {time_text(need.seconds)} on this {need.device}"
    yield Finding.of("note", (Named("time"),), f"{need.trials} trials, {need.pictures} pictures: {speed}")
    yield from _disk_findings(spec.storage.folder, need)
    yield from _memory_findings(spec.rendering.device, need)


def _disk_findings(folder: Path, need: StudyEstimate) -> Iterator[Finding]:
    place = next(path for path in (folder, *folder.parents) if path.exists())
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


def _memory_findings(device: str, need: StudyEstimate) -> Iterator[Finding]:
    free = free_memory(device_of(device))
    short = free < need.memory_bytes
    yield Finding.of(
        "warning" if short else "note",
        (Named("memory"), Named(str(need.device))),
        f"about {size_text(need.memory_bytes)}; {size_text(free)} are free",
        "close other programs, or make smaller pictures" if short else "",
    )
