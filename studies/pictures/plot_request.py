"""From the options of a plot to its plan, or to everything that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from engine.errors import Named, Problem, Problems, counted
from engine.recipes.dialects import Dialect
from studies.errors import StudyError
from studies.pictures.embedding_names import EmbeddingNames
from studies.pictures.hires_settings import refuse_unknown_upscaler, with_hires, without_hires
from studies.pictures.plot_axes import PlotAxis, read_axis
from studies.pictures.plot_kinds import AxisKind, kind_of
from studies.pictures.plot_models import model_problems, read_models, rules_of
from studies.pictures.plot_plan import PlotPlan, plan
from studies.pictures.settings import FIRST_SEED, base_settings
from studies.pictures.sources import SHORT, FileHashes

MOST_SHOWN = 20
"""The most problems that one message lists; a plot can have thousands."""

GPU = "gpu"
"""What the WebUI calls the random numbers of its own card, in small letters."""

NamedAxes = Mapping[str, tuple[AxisKind, str | None]]
"""Kind and text of every axis by its letter; no text: the values of an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRequest:
    """The options of a plot.

    Attributes:
        axes: X, Y and Z as ``AXIS=VALUES``, those that there are.
        sources: recipe files and checkpoints.
        prompts: whole prompts.
        seeds: numbers.
        wrong: what is wrong with other options.
        given: other settings, by the names of their options.
        taken: settings of a picture, which the others replace.
        vae: what decodes where no axis says it; None: the models' own.
        upscalers: folder of upscaler models.
        prediction: what the models predict: auto, epsilon or v.
        embeddings: folder of textual inversions.
        ztsnr: whether noise levels end in pure noise, whatever the models are marked with.
        run: which step of a recipe SuperMerger's axes change.
        limit: the most pictures.
    """

    axes: Mapping[str, str]
    sources: Sequence[Path]
    prompts: Sequence[str]
    seeds: Sequence[int]
    wrong: Sequence[Problem]
    given: Mapping[str, Any]
    taken: Mapping[str, Any]
    vae: Path | None
    upscalers: Path | None
    prediction: str
    embeddings: Path | None
    ztsnr: bool
    run: int
    limit: int


def planned(request: PlotRequest, hashes: FileHashes) -> tuple[PlotPlan, list[str]]:
    """The plan, and what a person should know of options that do nothing.

    Raises:
        StudyError: it cannot be rendered; the message lists everything that is wrong.
    """
    problems = Problems()
    problems.extend(request.wrong)
    named = _named_axes(request.axes, problems)
    axes = _read_axes(named, request, problems)
    base = _base_settings(named, request, problems)
    names = EmbeddingNames(None)
    with problems.collecting():
        names = EmbeddingNames(request.embeddings)
    if _add_many_pictures(axes, request.limit, problems):
        axes = []  # what they hold is left to be looked at when there is less of it
    models = read_models(request.sources[0], axes, request.run, hashes, problems)
    vaes = next((axis.values for axis in axes if axis.kind.sort == "vae"), (request.vae,))
    problems.extend(model_problems(models.sources, vaes, prediction=request.prediction))
    found = plan(axes, base, models, problems, vae=request.vae)
    _add_upscaler_problems(found, request.upscalers, problems)
    if more := problems.found[MOST_SHOWN:]:
        problems.found[MOST_SHOWN:] = [Problem(what=f"and {len(more)} more")]
    problems.raise_as(StudyError, "nothing was rendered")
    files = {str(path): path for path in vaes if path}
    digits = {files[name]: sha[:SHORT] for name, sha in hashes(files).items()} if files else {}
    found = replace(found, vae_hashes=digits, embeddings=names, ztsnr=request.ztsnr)
    return found, [*_read_otherwise(axes), *_unused_options(named, axes, request)]


# ------------------------------------------------------------------------------------------------------------ axes


def _named_axes(texts: Mapping[str, str], problems: Problems) -> NamedAxes:
    if not texts:
        raise StudyError("no axis", remedy='give one, such as -x "CFG Scale=5-9(+2)"')
    found: dict[str, tuple[AxisKind, str | None]] = {}
    for letter, text in texts.items():
        name, equals, values = text.partition("=")
        with problems.collecting(Named(f"-{letter.lower()}")):
            kind = kind_of(name)
            if any(_clash(kind, other) for other, _ in found.values()):
                raise StudyError(f"two axes set what {kind.name} sets", remedy="choose another for one of them")
            found[letter] = kind, values if equals else None
    return found


def _clash(one: AxisKind, other: AxisKind) -> bool:
    """Prompt S/R may be there twice, since each changes what the other left."""
    same = one.name == other.name and (one.sort != "shot" or bool(one.fields))
    return same or one.sort == other.sort == "model"


def _read_axes(named: NamedAxes, request: PlotRequest, problems: Problems) -> list[PlotAxis]:
    """In the order X, Y, Z; SuperMerger's are read last, in the words of the first recipe."""
    usual: dict[str, Sequence[Any]] = {
        "Seed": request.seeds,
        "Prompt": request.prompts,
        "Checkpoint name": request.sources,
        "Recipe": request.sources,
    }
    found: dict[str, PlotAxis] = {}
    for letter, (kind, text) in sorted(named.items(), key=lambda item: item[1][0].sort == "merge"):
        rules = _dialect_of_first(found.values(), request, problems) if kind.sort == "merge" else None
        axis = read_axis(letter, kind, text, usual.get(kind.name, ()), rules, problems)
        found |= {letter: axis} if axis else {}
    return [found[letter] for letter in sorted(found)]


def _dialect_of_first(axes: Iterable[PlotAxis], request: PlotRequest, problems: Problems) -> Dialect | None:
    files = next((axis.values for axis in axes if axis.kind.sort == "model"), request.sources)
    with problems.collecting():
        return rules_of(files[0])
    return None


def _add_many_pictures(axes: Sequence[PlotAxis], limit: int, problems: Problems) -> bool:
    """Whether there are more pictures than allowed, which is a problem."""
    count = prod(len(axis.values) for axis in axes)
    if count > limit:
        sizes = " x ".join(str(len(axis.values)) for axis in axes)
        product = f"{sizes} = " if len(axes) > 1 else ""
        what = f"{product}{counted(count, 'picture')} are more than {limit:,}"
        problems.add((), what, f"take fewer values, or --limit {count}")
    return count > limit


# -------------------------------------------------------------------------------------------------------- settings


def _base_settings(named: NamedAxes, request: PlotRequest, problems: Problems) -> dict[str, Any]:
    """The settings that no axis changes; several values of one need an axis."""
    kinds = {kind.name for kind, _ in named.values()}
    axes = {field: "" for kind, _ in named.values() for field in kind.fields if field in {"sampler", "negative"}}
    prompted = bool(request.prompts) or "Prompt" in kinds
    given = without_hires(request.given)
    with problems.collecting():
        given = with_hires({**axes, **request.given}, request.taken, prompted=prompted)
    base = base_settings(given, request.taken)
    for name, field, values in (("Prompt", "prompt", request.prompts), ("Seed", "seed", request.seeds)):
        if values and name not in kinds:
            base[field] = values[0]
            if len(values) > 1:
                problems.add((), f"{len(values)} values for {field} and no axis for them", f"add -x {name}")
    if not base.get("prompt") and "Prompt" not in kinds:
        problems.add((), 'nothing to show: give a prompt with -p "...", or a picture of a WebUI with --from')
    if len(request.sources) > 1 and not any(kind.sort == "model" for kind, _ in named.values()):
        problems.add((), f"{len(request.sources)} models and no axis for them", "add -x Recipe")
    return {"prompt": "", "seed": FIRST_SEED, **base}


def _add_upscaler_problems(plan: PlotPlan, folder: Path | None, problems: Problems) -> None:
    used = {cell.shot.hires.model: cell.shot.hires for cell in plan.cells if cell.shot.hires}
    for hires in used.values():
        with problems.collecting():
            refuse_unknown_upscaler(hires, folder)


def _read_otherwise(axes: Sequence[PlotAxis]) -> Iterator[str]:
    """Values that mean something else here than their words."""
    for axis in axes:
        if axis.kind.name == "RNG source" and GPU in axis.text.casefold():
            yield "RNG source GPU is read as NV: the random numbers of an NVIDIA card, as a WebUI on one has them"


def _unused_options(named: NamedAxes, axes: Sequence[PlotAxis], request: PlotRequest) -> Iterator[str]:
    """Options that do nothing, since an axis has values of its own."""
    options = {*request.given, *(["prompt"] if request.prompts else []), *(["seed"] if request.seeds else [])}
    for axis in axes:
        if named[axis.letter][1] is None:
            continue
        for field in axis.kind.fields:
            if field in options:
                yield f"--{field.replace('_', '-')} does nothing: the axis {axis.kind.name} has values of its own"
        if axis.kind.sort == "vae" and request.vae:
            yield "--vae does nothing: the axis VAE has values of its own"
        if axis.kind.sort == "model":
            others = [source for source in request.sources if source not in axis.values]
            yield from (f"{source} is not shown: the axis {axis.kind.name} names other models" for source in others)
