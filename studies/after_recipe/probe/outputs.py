"""The files of a probe: numbers, matrices, strips of pictures, and the pair's own answer to what people say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from studies.after_recipe.probe.drawing.matrix import write_matrices
from studies.after_recipe.probe.drawing.strips import write_strips
from studies.after_recipe.probe.renders import PlannedRenders
from studies.after_recipe.probe.texts.folklore import answered
from studies.results.folklore import write_folklore
from studies.results.probe import FOLDER, ProbeResult, write_probe


def write_outputs(folder: Path, result: ProbeResult, renders: PlannedRenders) -> ProbeResult:
    """Draw and write everything into a study's folder; the numbers last, so that what they name is there.

    Args:
        folder: of the study.
        result: what was measured.
        renders: its pictures.

    Returns:
        The result with the names of its strips.
    """
    place, method = folder / FOLDER, result.methods[0]
    write_matrices(result, place)
    result = replace(result, strips=write_strips(result, renders.pictures_at, place, method=method))
    write_folklore(folder, answered(result))
    write_probe(folder, result)
    return result
