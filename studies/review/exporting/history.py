"""What was done before a recipe or a study, stage by stage, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.checkpoints.header import read_header
from engine.errors import ProblemError, counted
from engine.merging.chain import chain_of_origin
from engine.merging.metadata import origin_of
from engine.recipes.chains import RecipeChain, stage_name
from studies.recipes.step_words import step_words


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStage:
    """Where a study stands in a chain of stages.

    Attributes:
        number: of its own stage: one more than its models have.
        lines: what was done before, a sentence each.
    """

    number: int
    lines: tuple[str, ...]


def history_lines(chain: RecipeChain, file: str) -> Iterator[str]:
    """Say what the stages of a chain do, then what its first parents are.

    Args:
        chain: all stages, the last one too.
        file: name of the checkpoint that the last one made.
    """
    ends = [0, *(stage.step for stage in chain.stages), len(chain.recipe.steps)]
    named = [*((stage.name, stage.file) for stage in chain.stages), (stage_name(file), file)]
    for (name, saved), (start, end) in zip(named, pairwise(ends), strict=True):
        words = "; then ".join(step_words(step) for step in chain.recipe.steps[start:end])
        yield f"{name}: {counted(end - start, 'step')} ({words}), saved as {saved}"
    yield "first parents: " + ", ".join(f"{name} {one.file}" for name, one in chain.models.items())
    yield from chain.ends


def study_stage(models: Mapping[str, Path]) -> StudyStage | None:
    """Return which stage a study of these models is; None where none of them was merged by this project.

    Args:
        models: its checkpoints, by letter; one that is not there or cannot be read counts as a first parent.
    """
    made = {letter: (path.name, chain) for letter, path in models.items() if (chain := _chain_of(path))}
    if not made:
        return None
    lines: list[str] = []
    for letter, (file, chain) in made.items():
        lines += [f"{letter} is {file}, which was merged before", *history_lines(chain, file)]
    return StudyStage(number=2 + max(len(chain.stages) for _, chain in made.values()), lines=tuple(lines))


def _chain_of(path: Path) -> RecipeChain | None:
    try:
        origin = origin_of(read_header(path))
        return None if origin is None else chain_of_origin(origin)
    except ProblemError:  # whoever needs the file says so; the pages of a study need no model
        return None
