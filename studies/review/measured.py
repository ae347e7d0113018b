"""What situations, settings and probe found, in plain lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import Problems, counted
from studies.results import settings_file
from studies.results.folklore import read_folklore
from studies.results.probe import TIMES_NOISE, EffectColumn, KnobEffect, ProbeMethod, ProbeResult, read_probe
from studies.results.settings import SettingsResult
from studies.results.situations import BETTER, LEVEL, WORSE, WORSE_THAN_ONE, SituationsResult, examined, read_situations

LARGEST = 3
"""The most knobs that are named for each measure of a probe."""


def measured_lines(folder: Path, problems: Problems) -> Iterator[str]:
    """Return what was measured of a study's recipes and parents, the latest examination first; nothing: nothing was.

    Args:
        folder: of the study.
        problems: takes what cannot be read; the rest is shown.
    """
    for key in examined(folder):
        with problems.collecting():
            yield from _situations_lines(read_situations(folder, key))
    for file in sorted((folder / settings_file.FOLDER).glob(f"*/{settings_file.RESULT}")):
        with problems.collecting():
            yield from _settings_lines(settings_file.read_settings(folder, file.parent.name))
    with problems.collecting():
        probe = read_probe(folder)
        yield from _probe_lines(probe) if probe else ()
    with problems.collecting():
        said = read_folklore(folder)
        yield from [f"  what people say of blocks: {said.remark}"] if said else ()


def _situations_lines(result: SituationsResult) -> Iterator[str]:
    counts = {verdict: sum(one.verdict == verdict for one in result.situations) for verdict in (BETTER, WORSE)}
    one = sum(one.verdict == WORSE_THAN_ONE for one in result.situations)
    untold = sum(one.verdict == LEVEL for one in result.situations)
    yield (
        f"situations, {result.title}: of {counted(len(result.situations), 'situation')} "
        f"{counts[BETTER]} better than all parents, {counts[WORSE]} worse than all, {one} worse than one, "
        f"{untold} cannot be told"
    )
    yield from (f"  over all situations: {difference}" for difference in result.overall)
    yield from (f"  weak spot, {spot.aspect}: {spot.word}, {spot.kind}: {spot.sentence}" for spot in result.weak_spots)


def _settings_lines(result: SettingsResult) -> Iterator[str]:
    before = result.start.rows
    changed = [
        f"{name} {value}" + (f" instead of {before[name]}" if name in before else "")
        for name, value in result.final.rows.items()
        if before.get(name) != value
    ]
    changed += [f"no {name}" for name in before if name not in result.final.rows]
    head = f"recommended settings, {result.title}: " + (", ".join(changed) or "the study's own")
    yield head + ("" if result.finished else " (not finished)")
    yield from (f"  {sentence}" for sentence in result.sentences)


def _probe_lines(result: ProbeResult) -> Iterator[str]:
    for run in result.runs:
        lines = [line for column in result.columns if (line := _column_line(result, column, run.method))]
        size = f"{counted(run.recipes, 'recipe')}, {counted(run.pictures, 'picture')}"
        yield f"probe, {run.method}: {size}; told from noise" + (f", in {TIMES_NOISE}:" if lines else ": nothing")
        yield from lines


def _column_line(result: ProbeResult, column: EffectColumn, method: ProbeMethod) -> str:
    clear = [one for one in result.ranked(column.name, method) if one.clear]
    named = ", ".join(f"{_label(result, one)} {_amount(one, column)}" for one in clear[:LARGEST])
    more = len(clear) - LARGEST
    return f"  {column.name}: {named}" + (f" and {more} more" if more > 0 else "") if clear else ""


def _label(result: ProbeResult, effect: KnobEffect) -> str:
    return next((knob.label for knob in result.knobs if knob.name == effect.knob), effect.knob)


def _amount(effect: KnobEffect, column: EffectColumn) -> str:
    """How large an effect is, in times the noise of seeds where that is known."""
    size = effect.effect or 0.0
    sign = ("+" if size > 0 else "-") if column.signed else ""
    return f"{sign}{abs(size):.3g} {column.unit}" if effect.ratio is None else f"{sign}{effect.ratio:.2g}"
