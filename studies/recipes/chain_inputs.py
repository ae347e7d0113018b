"""The chain that a merged checkpoint carries, as an input in place of its last stage."""

from __future__ import annotations

from pathlib import Path

from engine.errors import RecipeError
from engine.merging.metadata import Origin

LAST_STAGE = "this is the last stage of a chain; --chain reads all stages as one recipe"
"""The note on a recipe that a chain ends with."""


def has_chain(origin: Origin) -> bool:
    """Whether a checkpoint carries the stages before its own recipe."""
    from engine.merging.chain import CHAIN

    return CHAIN in origin.facts


def whole_chain(origin: Origin, path: Path) -> tuple[Origin, tuple[str, ...]]:
    """Return all stages that a checkpoint ends as one recipe, and notes on them.

    Args:
        origin: what the checkpoint's own entry says.
        path: of the checkpoint.

    Raises:
        RecipeError: it has one stage alone, or its chain cannot be read.
    """
    from engine.merging.chain import chain_of_origin

    if not has_chain(origin):
        what = "it carries no chain: no model of its recipe was merged by this project, or it could not go on in one"
        raise RecipeError(what, place=(path,), remedy="leave --chain out")
    try:
        chain = chain_of_origin(origin)
    except RecipeError as error:
        raise error.under(path) from error
    models = {name: one.sha256 for name, one in chain.models.items()}
    names = {name: one.file for name, one in chain.models.items()}
    stages = [f"{one.name} (step {one.step}) was saved as {one.file}, SHA-256 {one.sha256}" for one in chain.stages]
    return Origin(recipe=chain.recipe, models=models, names=names), (*stages, *chain.ends)
