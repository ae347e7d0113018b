"""The models of a plot: the recipes and checkpoints on its axes, and which of them share an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from engine.architecture.prediction import marks_of, mixed_marks
from engine.architecture.widths import Widths
from engine.checkpoints.checkpoint import Checkpoint, check_pair, has_vae, open_complete
from engine.checkpoints.vae import read_whole_vae
from engine.errors import Named, Problem, Problems
from engine.recipes.dialects import Dialect
from engine.recipes.file import read_recipe_file
from engine.recipes.recipe import Recipe
from engine.supermerger.axes import Axis as MergeAxis
from studies.errors import StudyError
from studies.pictures.plot_axes import PlotAxis
from studies.pictures.sources import FileHashes, PictureSource, read_source, recipe_source
from studies.recipes.inputs import InputOptions, RecipeInput, read_input
from studies.recipes.plots import cells

RECIPE_FILE = ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotModels:
    """Everything that a plot builds.

    Attributes:
        sources: each model once.
        labels: of each, as the axes have it; its file's name where no axis chooses a model.
        axes: those that choose a model, in the order X, Y, Z.
        by_place: number of the source by the places of the values on ``axes``.
    """

    sources: tuple[PictureSource, ...]
    labels: tuple[str, ...]
    axes: tuple[PlotAxis, ...]
    by_place: Mapping[tuple[int, ...], int]


def rules_of(path: Path) -> Dialect | None:
    """The dialect of a recipe file; None for anything else.

    Raises:
        RecipeError: the file cannot be read.
    """
    return read_recipe_file(path).recipe.rules if path.suffix.lower() == RECIPE_FILE else None


def read_models(path: Path, axes: Sequence[PlotAxis], run: int, hashes: FileHashes, problems: Problems) -> PlotModels:
    """Every model of a plot, each file read once.

    Args:
        path: the model where no axis names models.
        axes: of the plot.
        run: which step of a recipe SuperMerger's axes change, from 1.
        hashes: gives the SHA-256 of checkpoints, by name.
        problems: what is wrong with any file is added here; its cells then have no source.
    """
    choosing = [axis for axis in axes if axis.kind.sort in {"model", "merge"}]
    merging = [axis for axis in choosing if axis.kind.sort == "merge"]
    of_files = next((axis for axis in choosing if axis.kind.sort == "model"), None)
    sources: list[PictureSource] = []
    labels: list[str] = []
    by_place: dict[tuple[int, ...], int] = {}
    for number, file in enumerate(of_files.values if of_files else [path]):
        made: list[PictureSource] = []
        with problems.collecting(*([Named(f"axis {of_files.kind.name}")] if of_files else [])):
            made = _sources_of_file(file, merging, run, hashes)
        for place, source in zip(_merge_places(merging), made, strict=bool(made)):
            key = tuple(number if axis is of_files else place[merging.index(axis)] for axis in choosing)
            by_place[key] = len(sources)
            sources.append(source)
            words = [axis.labels[at] for axis, at in zip(choosing, key, strict=True)]
            labels.append(", ".join(words) or file.name)
    return PlotModels(sources=tuple(sources), labels=tuple(labels), axes=tuple(choosing), by_place=by_place)


def _merge_places(merging: Sequence[PlotAxis]) -> Iterator[tuple[int, ...]]:
    """Places of values in SuperMerger's order, in which the first axis runs fastest."""
    counts = [range(len(axis.values)) for axis in reversed(merging)]
    yield from (place[::-1] for place in product(*counts))


def _sources_of_file(path: Path, merging: Sequence[PlotAxis], run: int, hashes: FileHashes) -> list[PictureSource]:
    if not merging:
        return [read_source(path, hashes)]
    if path.suffix.lower() != RECIPE_FILE:
        raise StudyError(
            f"the axis {merging[0].kind.name} changes a recipe", place=(path,), remedy="give a recipe file (.toml)"
        )
    found = read_input(str(path), InputOptions())
    recipes = cells(found, run, [MergeAxis(kind=axis.kind.name, text=axis.text) for axis in merging])
    return [_merged_source(path, found, recipe) for recipe in recipes]


def _merged_source(path: Path, found: RecipeInput, recipe: Recipe) -> PictureSource:
    missing = [name for name in recipe.models if name not in found.models]
    if missing:
        raise StudyError(
            f"has no path of the models {', '.join(missing)}", place=(path,), remedy="name them under [models]"
        )
    return recipe_source(path.stem, recipe, found.models)


# -------------------------------------------------------------------------------------------------- opened together


def engines(sources: Sequence[PictureSource]) -> list[list[int]]:
    """Numbers of the sources that one engine builds, in the order of their first.

    Sources share one where the models of one are among those of the other; memory is never asked for more models than
    some recipe takes.
    """
    order = sorted(range(len(sources)), key=lambda number: -len(sources[number].models))
    groups: list[list[int]] = []
    for number in order:
        group = next((group for group in groups if _is_within(sources[number], sources[group[0]])), None)
        if group is None:
            groups.append([number])
        else:
            group.append(number)
    return sorted(([group[0], *sorted(group[1:])] for group in groups), key=min)


def _is_within(one: PictureSource, other: PictureSource) -> bool:
    return one.round_to == other.round_to and one.models.items() <= other.models.items()


def model_problems(
    sources: Sequence[PictureSource], vaes: Sequence[Path | None], *, prediction: str = "auto"
) -> list[Problem]:
    """What would keep the models from being opened, as their headers show, and the VAEs from decoding for them.

    Args:
        sources: all that is built.
        vaes: all that decodes; None: the models' own.
        prediction: what the UNets predict; where it is not ``auto``, marks of the files do not count.
    """
    opened: dict[Path, Checkpoint] = {}
    problems = Problems()
    for source in sources:
        for path in source.models.values():
            with problems.collecting():
                opened[path] = opened[path] if path in opened else open_complete(path, vae=None in vaes)
        models = {name: opened[path] for name, path in source.models.items() if path in opened}
        _add_misfits(source, list(models.values()), problems, vae=None in vaes)
        marks = {name: marks_of(model.tensors, model.metadata) for name, model in models.items()}
        mixed = mixed_marks(marks) if prediction == "auto" else None
        problems.extend([mixed.under(Named(source.name))] if mixed else [])
    for widths in {model.widths if has_vae(model) else None: None for model in opened.values()}:
        _add_vae_misfits(vaes, widths, problems)
    return problems.found


def _add_misfits(source: PictureSource, models: Sequence[Checkpoint], problems: Problems, *, vae: bool) -> None:
    for model in models:
        if model.family != source.recipe.family:
            what = f"is {model.family}, and the recipe {source.name} is for {source.recipe.family}"
            problems.add((model.path,), what)
    for model in models[1:]:
        with problems.collecting():
            check_pair(models[0], model, vae=vae)


def _add_vae_misfits(vaes: Sequence[Path | None], widths: Widths | None, problems: Problems) -> None:
    for path in filter(None, vaes):
        with problems.collecting():
            read_whole_vae(path, widths)
