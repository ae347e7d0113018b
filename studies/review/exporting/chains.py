"""The whole chain that a recipe ends, where its models were merged too: its first parents, its text, its export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Problem, ProblemError, counted
from engine.files import file_kind
from engine.merging.chain import chain_of
from engine.merging.metadata import Parent
from engine.recipes.chains import RecipeChain
from engine.recipes.file import RecipeFile, read_recipe_file, recipe_file_text
from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.inputs.hashes import hashes_of, user_memory
from studies.store.judged.pins import Pin
from studies.studyfile.spec import Merge

if TYPE_CHECKING:
    from engine.exports.content import ExportContent

CHAIN_SUFFIX = ".chain.toml"
"""What the name of the recipe file beside a checkpoint ends with that has the whole chain."""


def recipe_chain(recipe: Recipe, models: Mapping[str, Path], hashes: Mapping[str, str]) -> RecipeChain:
    """Return the chain that a recipe ends, by the headers of its models.

    Args:
        recipe: the last stage.
        models: its files, by letter.
        hashes: their SHA-256.

    Raises:
        CheckpointError: a file cannot be read.
    """
    return chain_of(recipe, {name: Parent(path=models[name], sha256=hashes[name]) for name in recipe.models})


def chain_of_pin(merge: Merge, pin: Pin) -> RecipeChain:
    """Return the chain that a pin ends; nothing here compares the models with those of the approval.

    Raises:
        StudyError: the study file names one of its models no more.
        CheckpointError: a model cannot be read.
    """
    recipe = Recipe.parse(pin.recipe)
    if gone := [name for name in recipe.models if name not in merge.models]:
        what = f"the study file has no model {', '.join(gone)} any more, and pin {pin.number} takes it"
        raise StudyError(what, remedy="name the model again under [models]")
    return recipe_chain(recipe, merge.models, pin.models)


def chain_lines(chain: RecipeChain) -> Iterator[str]:
    """Say what a chain is, for people: its stages, its first parents, and where it could not be followed."""
    if chain.stages:
        steps = [stage.step for stage in chain.stages]
        counts = [after - before for before, after in zip([0, *steps], [*steps, len(chain.recipe.steps)], strict=True)]
        names = [*(stage.name for stage in chain.stages), "this recipe"]
        yield "chain: " + ", then ".join(
            f"{name} ({counted(count, 'step')})" for name, count in zip(names, counts, strict=True)
        )
        yield "first parents: " + ", ".join(
            f"{name} {one.file} ({one.sha256[:10]})" for name, one in chain.models.items()
        )
    yield from chain.ends


def chain_file(checkpoint: Path) -> Path:
    """Return where the whole chain of a checkpoint lies as a recipe file."""
    return checkpoint.with_suffix(CHAIN_SUFFIX)


def chain_text(chain: RecipeChain, title: str, files: Mapping[str, Path], folder: Path) -> str:
    """Return a chain as the text of a recipe file.

    Args:
        chain: the chain.
        title: of the last stage.
        files: of its first parents, by letter, as far as they are known; of the others the name stands in it.
        folder: in which the text will lie.
    """
    models = {name: files.get(name, folder / one.file) for name, one in chain.models.items()}
    stages = [f"# {stage.name}: step {stage.step}, {stage.file}  sha256 {stage.sha256}" for stage in chain.stages]
    parents = [f"# model {name}: {one.file}  sha256 {one.sha256}" for name, one in chain.models.items()]
    head = [f"# {title}: all stages in one recipe, of the first parents. It gives the same bits as stage by stage."]
    lines = [*head, *parents, *stages, *(f"# {why}" for why in chain.ends)]
    return "\n".join(lines) + "\n" + recipe_file_text(RecipeFile(recipe=chain.recipe, models=models), folder)


def first_parents(chain: RecipeChain, models: Mapping[str, Path], hashes: Mapping[str, str]) -> dict[str, Path]:
    """Return the files of a chain's first parents, as far as they are found: by their names, compared by SHA-256.

    They are looked for among the models of the last stage, in the recipe files beside these, and in the folders of
    both.

    Args:
        chain: the chain.
        models: of the last stage, by letter.
        hashes: of these, by letter.
    """
    known = {hashes[name]: path for name, path in models.items()}
    noted = [path for model in models.values() for path in _noted(model)]
    folders = dict.fromkeys(path.parent for path in (*models.values(), *noted))
    found: dict[str, Path] = {}
    for name, one in chain.models.items():
        places = [*(path for path in noted if path.name == one.file), *(folder / one.file for folder in folders)]
        path = known.get(one.sha256) or _of_hash(one.sha256, places)
        if path is not None:
            found[name] = path
    return found


def _noted(model: Path) -> Iterable[Path]:
    """The models that the recipe file beside a checkpoint names; none where there is no such file."""
    if file_kind(chain_file(model)) != "file":
        return ()
    try:
        return read_recipe_file(chain_file(model)).models.values()
    except ProblemError:  # changed by hand; it is only a hint where to look
        return ()


def _of_hash(sha256: str, places: Iterable[Path]) -> Path | None:
    there = [path for path in dict.fromkeys(places) if file_kind(path) == "file"]
    return next((path for path in there if hashes_of({"": path}, user_memory())[""] == sha256), None)


def content_of_chain(
    chain: RecipeChain, title: str, files: Mapping[str, Path], approval: Mapping[str, str]
) -> ExportContent:
    """Return a chain as what is exported.

    Args:
        chain: the chain.
        title: the name of the result.
        files: of its first parents, by letter, as far as they are known.
        approval: who approved the last stage, when and why.
    """
    from engine.exports.content import ExportContent

    return ExportContent(
        recipe=chain.recipe,
        title=title,
        models={name: files[name] for name in chain.recipe.models if name in files},
        names={name: one.file for name, one in chain.models.items()},
        hashes={name: one.sha256 for name, one in chain.models.items()},
        facts={"approval": dict(approval)},
    )


def refuse_no_chain(chain: RecipeChain) -> None:
    """Refuse a recipe of which no model was merged before it.

    Raises:
        StudyError: it is one.
    """
    if not chain.stages:
        why = "; ".join(chain.ends) or "no header of them has a recipe of this project"
        raise StudyError(
            f"there is no chain: the models of this recipe are its first parents ({why})",
            remedy="leave --chain out",
        )


def refuse_missing(chain: RecipeChain, files: Mapping[str, Path], checkpoint: Path) -> None:
    """Refuse a chain of which a first parent is not at hand.

    Raises:
        StudyError: all that are not.
    """
    missing = {name: one for name, one in chain.models.items() if name in chain.recipe.models and name not in files}
    if missing:
        raise StudyError.of(
            Problem(
                what=f"the first parent {name}, {one.file} (SHA-256 {one.sha256[:12]}), is not beside the models of "
                "this study",
                remedy="put it there, or export the checkpoint and then say where it is: `recipe-search recipe export "
                f"{checkpoint} --chain --model {name}=PATH`",
            )
            for name, one in missing.items()
        )
