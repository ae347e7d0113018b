"""Checks of the models of a study, of its VAEs, and of its merge modes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.architecture.widths import FamilyName
from engine.errors import EngineError, Named, counted
from search.space.space import Space
from studies.preflight.findings import Finding, errors_at
from studies.studyfile.spec import Merge, Rendering

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint


def models_of(merge: Merge, rendering: Rendering, family: FamilyName, found: list[Finding]) -> dict[str, Checkpoint]:
    """Open and read the models; what is wrong with them is added to the findings."""
    from engine.architecture.families import TITLES
    from engine.checkpoints.checkpoint import check_finite, open_checkpoint, open_complete

    models: dict[str, Checkpoint] = {}
    for letter, path in merge.models.items():
        try:
            if (seen := open_checkpoint(path).family) != family:
                what = f"this is {TITLES[seen]}, and the study is of {TITLES[family].removeprefix('an ')}s"
                raise EngineError(what, place=(path,), remedy="take models of one family")
            models[letter] = open_complete(path, vae=rendering.merges_vae)
            check_finite(models[letter])
        except EngineError as error:
            found += errors_at(error, "models", letter)
    if set(models) == set(merge.models):
        found += _pairs(models, vae=rendering.merges_vae)
        found += _marks(rendering, models)
    return models


def unexportable(models: Mapping[str, Checkpoint], dtype: str, space: Space) -> Iterator[Finding]:
    """Tensors that no picture shows and that an export would stop at; some calculation modes take them into account."""
    from engine.checkpoints.checkpoint import broken_extras, named
    from engine.modes.registry import calculation_mode

    for letter, model in models.items():
        if broken := broken_extras(model, dtype):
            what = (
                f"NaN, infinite or too large weights for {dtype} in {counted(len(broken), 'tensor')} that no picture "
                f"shows: {named(broken)}; without --prune the export fails"
            )
            place = ("models", letter, model.path)
            prepasses = {name: calculation_mode(name).prepass for name in _calculations(space)}
            if compared := [name for name, prepass in prepasses.items() if prepass and prepass.compares]:
                what += f", and {compared[0]} compares them too"
                yield Finding.of("error", place, what, "take another version of the file, or another calculation mode")
            else:
                yield Finding.of("warning", place, what, "export with --prune, which leaves them out")


def _calculations(space: Space) -> Sequence[str]:
    """The calculation modes that trials may have."""
    choices = {knob.name: knob.options for knob in space.knobs if knob.is_choice}
    return choices.get("calculation", (space.frame.calculation,))


def _pairs(models: Mapping[str, Checkpoint], *, vae: bool) -> Iterator[Finding]:
    from engine.checkpoints.checkpoint import check_pair

    first, *others = models.items()
    for letter, model in others:
        try:
            check_pair(first[1], model, vae=vae)
        except EngineError as error:
            yield from errors_at(error, Named(f"models.{first[0]}, models.{letter}"))


def _marks(rendering: Rendering, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether the models are all marked for the same prediction of their UNets and the same noise levels."""
    from engine.architecture.prediction import ZERO_TERMINAL_MARK, marks_of, mixed_marks
    from engine.live.prediction import model_marks

    if rendering.prediction == "auto":
        if problem := mixed_marks(model_marks(models)):
            yield Finding(level="error", problem=problem.under("models"))
        return
    ends = {letter: ZERO_TERMINAL_MARK in marks_of(model.tensors) for letter, model in models.items()}
    if rendering.ztsnr == "auto" and len(set(ends.values())) > 1:
        first, *_ = ends
        marked = " and ".join(letter for letter, own in ends.items() if own)
        what = f"only {marked} is marked for noise levels that end in pure noise (ztsnr), and those of {first} are used"
        yield Finding.of("warning", ("models",), what, 'write ztsnr = "on" or "off" under [render]')


def odd_runs(space: Space) -> Iterator[Finding]:
    """Calculation modes beside merge modes that they are not made for, after SuperMerger's description of them."""
    from engine.modes.registry import calculation_mode

    choices = {knob.name: knob.options for knob in space.knobs if knob.is_choice}
    frame = space.frame
    for calculation in _calculations(space):
        meant = calculation_mode(calculation).made_for
        others = [mode for mode in choices.get("mode", (frame.mode,)) if meant and mode != meant]
        if others:
            yield Finding.of(
                "warning",
                ("merge",),
                f"{calculation} is made for {meant}; with {', '.join(others)} it may give noise",
                f'write mode = "{meant}", or another calculation mode',
            )


def unfit_vaes(rendering: Rendering, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether the chosen VAE, or every one to choose from, can decode for the models."""
    from engine.checkpoints.checkpoint import has_vae
    from engine.checkpoints.vae import read_whole_vae

    inside = next((model.widths for model in models.values() if has_vae(model)), None)
    place = ("space", "choices", "vae") if rendering.vaes else ("render", "vae")
    for path in filter(None, rendering.vaes.values() or [rendering.vae]):
        try:
            read_whole_vae(path, inside)
        except EngineError as error:
            yield from errors_at(error, *place)
