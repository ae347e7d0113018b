"""What a stage made, as the checkpoint that the next stage begins with: the export that is there, or a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.header import read_header
from engine.errors import CheckpointError
from engine.files import file_kind, write_text
from engine.merging.chain import chain_of_origin, unsayable
from engine.merging.metadata import Origin, origin_of
from engine.recipes.chains import RecipeChain
from engine.recipes.recipe import Recipe
from studies.review.exporting.chains import chain_file, chain_text, first_parents
from studies.review.exporting.export import export_file, export_pin, refuse_others
from studies.review.exporting.history import history_lines
from studies.store.judged.pins import Pin
from studies.studyfile.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCheckpoint:
    """A checkpoint that a stage made.

    Attributes:
        path: where it is.
        is_new: whether it was written now.
        chain: its recipe with those of the stages before it.
        end: why the next stage cannot go on in one recipe with it; "" where it can.
    """

    path: Path
    is_new: bool
    chain: RecipeChain
    end: str = ""

    def history(self) -> Iterator[str]:
        """Say what was done so far, a line each."""
        yield from history_lines(self.chain, self.path.name)
        if self.end:
            yield f"the chain ends here: {self.end}"


def stage_checkpoint(
    spec: StudySpec,
    pin: Pin,
    out: Path | None,
    models: Mapping[str, str],
    progress: Callable[[int, int], None] | None = None,
) -> StageCheckpoint:
    """Return what a pin makes: the checkpoint that is there, if it is that of the pin, or a new one.

    Beside it lies a recipe file with all stages so far, which says where their first parents are.

    Args:
        spec: the study.
        pin: what was approved.
        out: the checkpoint; None: where the study exports the pin to.
        models: SHA-256 of every model file, by letter, read just now.
        progress: called with (bytes written, bytes in all).

    Raises:
        StudyError: a model is not the one that the recipe was approved with.
        CheckpointError: there is another file in its place, or it cannot be written.
        RecipeError: its recipe cannot be read.
    """
    path = out or export_file(spec.storage, pin)
    is_new = not file_kind(path)
    if is_new:
        from engine.merging.output import Output

        refuse_others(spec.storage, spec.merge, spec.rendering, pin, models)
        path.parent.mkdir(parents=True, exist_ok=True)
        study = (spec.storage, spec.merge, spec.rendering)
        export_pin(*study, pin, path, output=Output(), models=models, progress=progress)
    origin = _origin_of_pin(path, pin)
    chain = chain_of_origin(origin)
    beside = chain_file(path)
    if not file_kind(beside):
        files = first_parents(chain, spec.merge.models, models)
        write_text(beside, chain_text(chain, path.stem, files, path.parent))
    return StageCheckpoint(path=path, is_new=is_new, chain=chain, end=unsayable(origin))


def _origin_of_pin(path: Path, pin: Pin) -> Origin:
    """The recipe in a checkpoint's header, which has to be the pin's, of the same models."""
    origin = origin_of(read_header(path))
    remedy = "name another file with -a, and it is exported there; or move this one away"
    if origin is None:
        what = "carries no recipe, so that it cannot be told whether the pin made it, and the chain would end here"
        raise CheckpointError(what, place=(path,), remedy=remedy)
    if origin.recipe.key != pin.recipe_key:
        what = f"is of the recipe {origin.recipe.key[:8]}, and pin {pin.number} is the recipe {pin.recipe_key[:8]}"
        raise CheckpointError(what, place=(path,), remedy=remedy)
    names = Recipe.parse(pin.recipe).models
    if other := [name for name in names if origin.models.get(name) != pin.models.get(name)]:
        what = f"was merged of other files than pin {pin.number}: {', '.join(other)} differ"
        raise CheckpointError(what, place=(path,), remedy=remedy)
    return origin
