"""What a search moves of its parents: only that is kept close to the device; the rest is read from the files once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engine.architecture.keymap import fills
from engine.errors import RecipeError
from engine.footprint.weights import PartBytes, part_bytes, part_of_key
from search.space.space import Space

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint
    from engine.merging.folded import MergePlan


def moved_parents(space: Space, models: Mapping[str, Checkpoint], *, vae: bool) -> PartBytes:
    """Return the bytes of all parents' tensors that the knobs of a space move, by part, each file counted once.

    Args:
        space: of the study.
        models: by letter.
        vae: whether the merged VAE decodes.
    """
    widths = models["A"].widths
    live = [key for key in moved_keys(space, models) if fills(key, widths)]
    keys = [key for key in live if vae or part_of_key(key) != "vae"]
    files = {model.path.resolve(): model for model in models.values()}.values()
    return part_bytes((key, file.tensors[key].size) for file in files for key in keys if key in file.tensors)


def moved_keys(space: Space, models: Mapping[str, Checkpoint]) -> frozenset[str]:
    """Return the keys that differ between candidates of a space: of a few that differ in every knob.

    Args:
        space: of the study.
        models: by letter; where they do not fit together, every key counts.
    """
    from engine.merging.folded import plan_for

    shapes = {letter: model.shapes for letter, model in models.items()}
    try:
        first, *others = (plan_for(space.decode(point), shapes) for point in _different_points(space))
    except RecipeError:  # what is wrong is told with the models
        return frozenset(shapes["A"])
    return frozenset(key for other in others for key in _differing(first, other))


def _differing(one: MergePlan, other: MergePlan) -> Iterator[str]:
    return (key for key, row in other.rows.items() if one.rows.get(key) != row)


def _different_points(space: Space) -> Iterator[dict[str, float]]:
    """Points of which each knob has several values, so that what it moves shows, whatever the others are."""
    lowest, highest = ({knob.name: getattr(knob, end) for knob in space.free} for end in ("low", "high"))
    yield space.neutral
    yield lowest
    yield highest
    for knob in space.free:
        if knob.is_choice:
            yield from (highest | {knob.name: float(place)} for place in range(len(knob.options)))
