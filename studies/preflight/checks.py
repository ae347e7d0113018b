"""Everything that would fail in a study, found in one go before anything expensive starts."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.devices import device_of
from engine.errors import EngineError
from engine.prompts.check import check_prompt
from studies.inputs.assets import embedding_hashes, refuse_misfits, refuse_unusable
from studies.preflight.estimate import Estimate, estimate, free_memory, size_text, time_text
from studies.preflight.findings import Finding, Level, told
from studies.preflight.models import models_of, odd_runs, unfit_vaes
from studies.studyfile.read import StudySpec

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint

FEWEST_REFERENCES = 4
"""With fewer pictures no style can be told from a subject, unless words say which."""
GOOD_REFERENCES = 8
JPEG = (".jpg", ".jpeg")


def preflight(spec: StudySpec) -> tuple[Finding, ...]:
    """Look at everything a study needs: files, models, references, scorers, folder, disk, memory, prompts, time.

    Nothing is written but a temporary file to try the study's folder, and that is removed again.

    Returns:
        Errors first, then warnings, then notes; without errors the study can start.
    """
    found = [
        *odd_runs(spec),
        *_prompts(spec),
        *_references(spec),
        *_scorers(spec),
        *_folder(spec),
        *_device(spec),
        *_upscalers(spec),
    ]
    models = models_of(spec, found)
    found += [*unfit_vaes(spec, models), *_embeddings(spec, models)]
    if set(models) == set(spec.models):
        found += _resources(spec, models, found)
    order: Sequence[Level] = ("error", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def _prompts(spec: StudySpec) -> Iterator[Finding]:
    texts: dict[tuple[str, bool], None] = {}
    for shot in (part for whole in (*spec.shots, *spec.proof_shots) for part in whole.passes):
        texts |= {(shot.prompt, False): None, (shot.negative, True): None}
    for text, negative in texts:
        where = f'{"negative" if negative else "prompt"} "{text[:40]}{"…" if len(text) > 40 else ""}"'
        yield from (told("warning", where, remark) for remark in check_prompt(text, negative=negative))


def _embeddings(spec: StudySpec, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether every embedding that a prompt names can be read and suits the models."""
    try:
        for widths in {model.widths for model in models.values()}:
            refuse_misfits(spec, widths)
        embedding_hashes(spec)
    except EngineError as error:
        yield told("error", "render.embeddings", error)


def _upscalers(spec: StudySpec) -> Iterator[Finding]:
    """Whether every upscaler that hires fix names can be used."""
    try:
        refuse_unusable(spec)
    except EngineError as error:
        yield told("error", "render.upscalers", error)


def _references(spec: StudySpec) -> Iterator[Finding]:
    """Missing folders, files that are no pictures, too few of them."""
    from scorers.encoders.preprocess import load_picture
    from scorers.errors import ScorerError

    where, good = "target.references", 0
    for path in spec.references:
        try:
            load_picture(path)
        except ScorerError as error:
            remedy = f"name a folder or pictures; paths start from {spec.file.parent}"
            yield Finding(
                level="error",
                where=where,
                message=str(error),
                remedy=remedy if not path.exists() else "remove it, or save it as PNG or JPEG",
            )
        else:
            good += 1
    remedy = f"give {GOOD_REFERENCES} to 40 pictures of the wanted look, of different subjects"
    needed = 1 if spec.like else FEWEST_REFERENCES
    if good < needed:
        yield Finding(
            level="error",
            where=where,
            message=f"{_pictures(good)}, {needed} {'is' if needed == 1 else 'are'} needed",
            remedy=remedy if spec.like else f"{remedy}; or 1 to 3, and name the look in words with like",
        )
    elif good < GOOD_REFERENCES:
        yield Finding(
            level="warning", where=where, message=f"{_pictures(good)} tell little about a style", remedy=remedy
        )
    jpegs = sum(path.suffix.lower() in JPEG for path in spec.references)
    if jpegs:
        yield Finding(
            level="note",
            where=where,
            message=f"{jpegs} of {len(spec.references)} are JPEG files; traces of strong compression count as look",
            remedy="prefer PNG files, or JPEG files of quality 90 and more",
        )


def _pictures(count: int) -> str:
    return {0: "there is no picture", 1: "there is 1 picture"}.get(count, f"{count} pictures")


def _scorers(spec: StudySpec) -> Iterator[Finding]:
    """Files of encoders and scorers that are missing, damaged or other ones than they should be; plug-ins too."""
    from scorers.errors import ScorerError
    from scorers.panel.registry import load_plugins, sources_of
    from scorers.panel.verify import verified

    settings = spec.panel_settings()
    try:
        plugged = load_plugins(settings.weights, settings.here)
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
            yield Finding(level="error", where="scorers", message=one.problem, remedy="see [scorers]")
        elif one.remark:
            yield told("warning", f"scorers: {one.path}", one.remark)
    yield from (told("warning", "scorers", str(remark.message)) for remark in remarks)


def _folder(spec: StudySpec) -> Iterator[Finding]:
    """A folder that cannot be made or written."""
    ancestor = spec.folder
    while not ancestor.exists() and ancestor.parent != ancestor:
        ancestor = ancestor.parent
    remedy = "give [study] folder a place where you may write"
    if not ancestor.is_dir():
        yield Finding(level="error", where=str(spec.folder), message=f"{ancestor} is a file", remedy=remedy)
        return
    try:
        with tempfile.TemporaryFile(dir=ancestor) as file:
            file.write(b"recipe-search")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        message = f"cannot be written ({error.strerror})"
        yield Finding(level="error", where=str(spec.folder), message=message, remedy=remedy)


def _device(spec: StudySpec) -> Iterator[Finding]:
    """A device that this machine lacks, or a precision that it is slow in."""
    try:
        device = device_of(spec.device)
    except EngineError as error:
        yield Finding(level="error", where="device.device", message=str(error))
        return
    if device.type == "cpu" and spec.precision in ("fp16", "bf16"):
        message = f"{spec.precision} on a CPU is slower than fp32, and less exact"
        yield Finding(level="warning", where="device.precision", message=message, remedy="write auto")


def _resources(spec: StudySpec, models: Mapping[str, Checkpoint], found: Sequence[Finding]) -> Iterator[Finding]:
    """Time, disk and memory."""
    if any(finding.where == "device.device" for finding in found):
        return
    need = estimate(spec, models)
    speed = f"about {time_text(need.seconds)} on this {need.device}"
    yield Finding(level="note", where="time", message=f"{need.trials} trials, {need.pictures} pictures: {speed}")
    yield from _disk(spec, need)
    yield from _memory(spec, need)


def _disk(spec: StudySpec, need: Estimate) -> Iterator[Finding]:
    place = next(path for path in (spec.folder, *spec.folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    wanted = f"about {size_text(need.disk_bytes)}, and {size_text(need.export_bytes)} for each exported checkpoint"
    level: Level = "note"
    if free < need.disk_bytes:
        level = "error"
    elif free < need.disk_bytes + need.export_bytes:
        level = "warning"
    yield Finding(
        level=level,
        where=f"disk: {place}",
        message=f"{wanted}; {size_text(free)} are free",
        remedy="" if level == "note" else "free some space, or move [study] folder",
    )


def _memory(spec: StudySpec, need: Estimate) -> Iterator[Finding]:
    free = free_memory(device_of(spec.device))
    short = free < need.memory_bytes
    yield Finding(
        level="warning" if short else "note",
        where=f"memory: {need.device}",
        message=f"about {size_text(need.memory_bytes)}; {size_text(free)} are free",
        remedy="close other programs, or make smaller pictures" if short else "",
    )
