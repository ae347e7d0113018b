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
from engine.errors import EngineError
from engine.prompts.check import check_prompt
from studies.inputs.assets import embedding_hashes, refuse_misfits, refuse_unusable
from studies.preflight.estimate import StudyEstimate, estimate, free_memory, size_text, time_text
from studies.preflight.findings import Finding, Level, told
from studies.preflight.models import models_of, odd_runs, unfit_vaes
from studies.studyfile.spec import Rendering, StudyShots, StudySpec, TargetLook

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint
    from scorers.panel.settings import PanelSettings

FEWEST_REFERENCES = 4
"""The fewest references: with fewer, a style cannot be separated from a subject, unless words name it."""
GOOD_REFERENCES = 8
"""The number of references below which the check warns."""
JPEG = (".jpg", ".jpeg")


def preflight(spec: StudySpec) -> tuple[Finding, ...]:
    """Check everything a study needs: files, models, references, scorers, folder, disk, memory, prompts, time.

    Nothing is written but a temporary file to try the study's folder, and that is removed again.

    Returns:
        Errors first, then warnings, then notes; without errors the study can start.
    """
    space, rendering, shots = spec.search.space, spec.rendering, spec.shots
    found = [
        *odd_runs(space),
        *_prompts(shots),
        *_references(spec.target, spec.storage.file.parent),
        *_scorers(spec.panel_settings()),
        *_folder(spec.storage.folder),
        *_device(rendering),
        *_upscalers(rendering, shots),
    ]
    models = models_of(spec.merge, rendering, space.frame.family, found)
    found += [*unfit_vaes(rendering, models), *_embeddings(rendering, shots, models)]
    if set(models) == set(spec.merge.models):
        found += _resources(spec, models, found)
    order: Sequence[Level] = ("error", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _prompts(shots: StudyShots) -> Iterator[Finding]:
    texts: dict[tuple[str, bool], None] = {}
    for shot in shots.passes:
        texts |= {(shot.prompt, False): None, (shot.negative, True): None}
    for text, negative in texts:
        where = f'{"negative" if negative else "prompt"} "{text[:40]}{"…" if len(text) > 40 else ""}"'
        yield from (told("warning", where, remark) for remark in check_prompt(text, negative=negative))


def _embeddings(rendering: Rendering, shots: StudyShots, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether every embedding that a prompt names can be read and suits the models."""
    try:
        for widths in {model.widths for model in models.values()}:
            refuse_misfits(rendering, shots, widths)
        embedding_hashes(rendering, shots)
    except EngineError as error:
        yield told("error", "render.embeddings", error)


def _upscalers(rendering: Rendering, shots: StudyShots) -> Iterator[Finding]:
    """Whether every upscaler that hires fix names can be used."""
    try:
        refuse_unusable(rendering, shots)
    except EngineError as error:
        yield told("error", "render.upscalers", error)


def _references(target: TargetLook, here: Path) -> Iterator[Finding]:
    """Missing folders, files that are no pictures, too few of them."""
    from scorers.encoders.preprocess import load_picture
    from scorers.errors import ScorerError

    where, good = "target.references", 0
    for path in target.references:
        try:
            load_picture(path)
        except ScorerError as error:
            remedy = f"name a folder or pictures; paths start from {here}"
            yield Finding(
                level="error",
                where=where,
                message=str(error),
                remedy=remedy if not path.exists() else "remove it, or save it as PNG or JPEG",
            )
        else:
            good += 1
    remedy = f"give {GOOD_REFERENCES} to 40 pictures of the target look, of different subjects"
    needed = 1 if target.like else FEWEST_REFERENCES
    if good < needed:
        yield Finding(
            level="error",
            where=where,
            message=f"{_pictures(good)}, {needed} {'is' if needed == 1 else 'are'} needed",
            remedy=remedy if target.like else f"{remedy}; or 1 to 3 pictures, with the look in words (like)",
        )
    elif good < GOOD_REFERENCES:
        yield Finding(level="warning", where=where, message=f"{_pictures(good)} show little of a style", remedy=remedy)
    jpegs = sum(path.suffix.lower() in JPEG for path in target.references)
    if jpegs:
        yield Finding(
            level="note",
            where=where,
            message=f"{jpegs} of {len(target.references)} are JPEG files; strong compression counts as look",
            remedy="use PNG files, or JPEG files of quality 90 and more",
        )


def _pictures(count: int) -> str:
    return {0: "there is no picture", 1: "there is 1 picture"}.get(count, f"{count} pictures")


def _scorers(settings: PanelSettings) -> Iterator[Finding]:
    """Files of encoders and scorers, and plug-ins, that are missing, damaged or not the right ones."""
    from scorers.errors import ScorerError
    from scorers.panel.registry import plug_ins, sources_of
    from scorers.panel.verify import verified

    try:
        plugged = plug_ins(settings.weights, settings.here)
        names = [name for name in settings.weights if name not in plugged]
        sources = sources_of(settings, names, plugged.values())
    except ScorerError as error:
        yield from (told("error", "scorers", line) for line in str(error).splitlines())
        return
    yield from (told("error", "scorers", missing.text) for missing in sources.missing)
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        found = list(verified(sources))
    for one in found:
        if one.problem:
            yield Finding(level="error", where="scorers", message=one.problem, remedy="check [scorers]")
        elif one.remark:
            yield told("warning", f"scorers: {one.path}", one.remark)
    yield from (told("warning", "scorers", str(remark.message)) for remark in remarks)


def _folder(folder: Path) -> Iterator[Finding]:
    """A folder that cannot be made or written."""
    ancestor = folder
    while not ancestor.exists() and ancestor.parent != ancestor:
        ancestor = ancestor.parent
    remedy = "set [study] folder to a place where you may write"
    if not ancestor.is_dir():
        yield Finding(level="error", where=str(folder), message=f"{ancestor} is a file", remedy=remedy)
        return
    try:
        with tempfile.TemporaryFile(dir=ancestor) as file:
            file.write(b"recipe-search")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        message = f"cannot be written ({error.strerror})"
        yield Finding(level="error", where=str(folder), message=message, remedy=remedy)


def _device(rendering: Rendering) -> Iterator[Finding]:
    """A device that this machine lacks."""
    import torch

    device = device_of(rendering.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        message = f"this machine has no {device}"
        yield Finding(level="error", where="device.device", message=message, remedy="write auto or cpu")
    elif device.type == "cpu" and rendering.precision in ("fp16", "bf16"):
        message = f"{rendering.precision} on a CPU is slower than fp32 and less exact"
        yield Finding(level="warning", where="device.precision", message=message, remedy="write auto")


def _resources(spec: StudySpec, models: Mapping[str, Checkpoint], found: Sequence[Finding]) -> Iterator[Finding]:
    """Time, disk and memory."""
    if any(finding.where == "device.device" for finding in found):
        return
    need = estimate(spec.search, spec.shots, spec.rendering, spec.panel_settings(), models)
    speed = f"about {time_text(need.seconds)} on this {need.device}"
    yield Finding(level="note", where="time", message=f"{need.trials} trials, {need.pictures} pictures: {speed}")
    yield from _disk(spec.storage.folder, need)
    yield from _memory(spec.rendering.device, need)


def _disk(folder: Path, need: StudyEstimate) -> Iterator[Finding]:
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
    yield Finding(
        level=level,
        where=f"disk: {place}",
        message=f"{needed_bytes}; {size_text(free)} are free",
        remedy="" if level == "note" else "free some space, or move [study] folder",
    )


def _memory(device: str, need: StudyEstimate) -> Iterator[Finding]:
    free = free_memory(device_of(device))
    short = free < need.memory_bytes
    yield Finding(
        level="warning" if short else "note",
        where=f"memory: {need.device}",
        message=f"about {size_text(need.memory_bytes)}; {size_text(free)} are free",
        remedy="close other programs, or make smaller pictures" if short else "",
    )
