"""Checks of the models of a study, of its VAEs, and of its merge modes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engine.architecture.widths import FamilyName
from engine.errors import EngineError, Named
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
        found += _marks(rendering.prediction, models)
    return models


def _pairs(models: Mapping[str, Checkpoint], *, vae: bool) -> Iterator[Finding]:
    from engine.checkpoints.checkpoint import check_pair

    first, *others = models.items()
    for letter, model in others:
        try:
            check_pair(first[1], model, vae=vae)
        except EngineError as error:
            yield from errors_at(error, Named(f"models.{first[0]}, models.{letter}"))


def _marks(prediction: str, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether the models are all marked for the same prediction of their UNets."""
    from engine.architecture.families import marks_of

    marks = {letter: ", ".join(sorted(marks_of(model.tensors))) or "nothing" for letter, model in models.items()}
    if prediction == "auto" and len(set(marks.values())) > 1:
        listed = ", ".join(f"{letter}: {mark}" for letter, mark in marks.items())
        yield Finding.of(
            "error",
            ("models",),
            f"they are marked for different predictions ({listed}), and their merge would predict neither",
            'take models of one kind, or write prediction = "epsilon" or "v" under [render]',
        )


def odd_runs(space: Space) -> Iterator[Finding]:
    """Calculation modes beside merge modes that they are not made for, after SuperMerger's description of them."""
    from engine.modes.registry import calculation_mode

    choices = {knob.name: knob.options for knob in space.knobs if knob.is_choice}
    frame = space.frame
    for calculation in choices.get("calculation", (frame.calculation,)):
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
