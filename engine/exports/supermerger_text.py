"""A recipe for SuperMerger: what to set run by run, rows for mergehistory.csv, and presets of its weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.exports.texts.tool_text import beside, head_lines, preset_name, text_of, vae_notes
from engine.recipes.presets import preset_line
from engine.supermerger.history import header_line, history_line
from engine.supermerger.instructions import instructions
from engine.supermerger.runs import Run, joined_runs

_PRESET_HEADER = "preset_name\tpreset_weights"
_SHORT_PRESET = 26


def _refusals(content: ExportContent, _options: ExportOptions) -> tuple[Refusal, ...]:
    if not content.recipe.rules.webui:
        return ()
    what = "the recipe is for AUTOMATIC1111's own merger (dialect webui), whose arithmetic SuperMerger has not"
    return (Refusal(what=what),)


def _history(content: ExportContent, runs: Sequence[Run], options: ExportOptions) -> tuple[str, tuple[int, ...]]:
    """The rows of the runs on models whose SHA-256 is known, under the header; and the other runs."""
    recipe = content.recipe
    rows: list[str] = []
    left: list[int] = []
    for number, run in enumerate(runs, start=1):
        if not options.with_recipe or not {*run.step.models} <= content.hashes.keys():
            left.append(number)
            continue
        last = number == len(runs)
        row = history_line(
            run.step,
            recipe.rules,
            recipe.family,
            content.hashes,
            number_of_row=len(rows) + 1,
            time=time.strftime("%Y.%m.%d %H.%M.%S"),
            name=content.title if last else run.name or f"{content.title}-run{number}",
            half=recipe.save == "fp16",
        )
        rows.append(row)
    return "".join([header_line(), *rows]) if rows else "", tuple(left)


def _presets(content: ExportContent, runs: Sequence[Run]) -> list[str]:
    """A line for every row of block weights."""
    found: list[str] = []
    for number, run in enumerate(runs, start=1):
        ending = f"-run{number}" if len(runs) > 1 else ""
        for what, ratio in (("", run.step.alpha), ("-beta", run.step.beta)):
            if isinstance(ratio, tuple):
                found.append(preset_line(f"{preset_name(content.title)}{ending}{what}", ratio))
    return found


def _notes(content: ExportContent, presets: Sequence[str], left: Sequence[int], options: ExportOptions) -> list[str]:
    numbers = ", ".join(map(str, left))
    why = "and a model that is merged on the way has none yet" if options.with_recipe else "which were to be left out"
    dialect = content.recipe.rules
    return [
        f"other versions of SuperMerger than {dialect.commit} make other models of the same words",
        *([f"no history row for run {numbers}: rows name models by SHA-256, {why}"] if left else []),
        *(
            ["its lists show presets of 26 numbers alone; write the name of one of 20 where the weights go"]
            if any(line.count(",") + 1 != _SHORT_PRESET for line in presets)
            else []
        ),
        *vae_notes(options),
    ]


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    runs = joined_runs(content.recipe)
    presets = _presets(content, runs)
    history, left = _history(content, runs, options)
    notes = _notes(content, presets, left, options)
    names = {name: content.file_name(name) for name in content.recipe.models}
    steps = instructions(content.recipe, names).split("\n")
    lines = [*head_lines(content, options, "SuperMerger", "exact"), "", *steps, "", *notes]
    if presets:
        lines += ["", "presets, for mbwpresets.txt and for the values of an X/Y/Z plot:", *presets]
    files = {out: text_of(lines)}
    if history:
        files[beside(out, "supermerger", ".history.csv")] = history
    if presets:
        files[beside(out, "supermerger", ".presets.txt")] = text_of([_PRESET_HEADER, *presets])
    written = write_files(files, overwrite=options.overwrite)
    usage = (
        f"set in SuperMerger what {out.name} says, run by run ({len(runs)})",
        *(("or append the rows to mergehistory.csv and load them by their ID",) if history else ()),
    )
    return WrittenExport(files=written, arithmetic="exact", notes=tuple(notes), usage=usage)


TARGET = ExportTarget(refusals=_refusals, write=_write)
"""SuperMerger's texts."""
