"""What can be wrong with the models of a study, with its VAEs, and with what it makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engine.errors import EngineError, Named
from studies.preflight.findings import Finding, errors_at
from studies.studyfile.read import StudySpec

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint

MEANT_FOR = {
    "cosineA": "Weight sum",
    "cosineB": "Weight sum",
    "tensor": "Weight sum",
    "tensor2": "Weight sum",
    "smoothAdd": "Add difference",
    "smoothAdd MT": "Add difference",
}
"""The merge mode that a calculation mode is made for, after SuperMerger's description of them; its issue #73 shows what
cosineA makes of Add difference."""


def models_of(spec: StudySpec, found: list[Finding]) -> dict[str, Checkpoint]:
    """Open and read the models; what is wrong with them is added to the findings."""
    from engine.architecture.families import TITLES
    from engine.checkpoints.checkpoint import check_finite, open_checkpoint, open_complete

    models: dict[str, Checkpoint] = {}
    family, vae = spec.space.frame.family, spec.merges_vae
    for letter, path in spec.models.items():
        try:
            if (seen := open_checkpoint(path).family) != family:
                what = f"this is {TITLES[seen]}, and the study is of {TITLES[family].removeprefix('an ')}s"
                raise EngineError(what, place=(path,), remedy="take models of one family")
            models[letter] = open_complete(path, vae=vae)
            check_finite(models[letter])
        except EngineError as error:
            found += errors_at(error, "models", letter)
    if set(models) == set(spec.models):
        found += _pairs(models, vae=vae)
        found += _marks(spec, models)
    return models


def _pairs(models: Mapping[str, Checkpoint], *, vae: bool) -> Iterator[Finding]:
    from engine.checkpoints.checkpoint import check_pair

    first, *others = models.items()
    for letter, model in others:
        try:
            check_pair(first[1], model, vae=vae)
        except EngineError as error:
            yield from errors_at(error, Named(f"models.{first[0]}, models.{letter}"))


def _marks(spec: StudySpec, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether the models' marks agree on what their UNets predict."""
    from engine.architecture.families import marks_of

    marks = {letter: ", ".join(sorted(marks_of(model.tensors))) or "nothing" for letter, model in models.items()}
    if spec.prediction == "auto" and len(set(marks.values())) > 1:
        said = ", ".join(f"{letter}: {mark}" for letter, mark in marks.items())
        yield Finding.of(
            "error",
            ("models",),
            f"they are marked for different predictions ({said}), and a mix of those predicts neither",
            'take models of one kind, or write prediction = "epsilon" or "v" under [render]',
        )


def odd_runs(spec: StudySpec) -> Iterator[Finding]:
    """Calculation modes beside merge modes that they are not made for."""
    choices = {knob.name: knob.options for knob in spec.space.knobs if knob.is_choice}
    frame = spec.space.frame
    for calculation in choices.get("calculation", (frame.calculation,)):
        meant = MEANT_FOR.get(calculation)
        others = [mode for mode in choices.get("mode", (frame.mode,)) if meant and mode != meant]
        if others:
            yield Finding.of(
                "warning",
                ("merge",),
                f"{calculation} is made for {meant}, not for {', '.join(others)}, which may give noise",
                f'write mode = "{meant}", or another calculation mode',
            )


def unfit_vaes(spec: StudySpec, models: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    """Whether the chosen VAE, or every one to choose from, can decode for the models."""
    from engine.checkpoints.checkpoint import has_vae
    from engine.checkpoints.vae import read_whole_vae

    inside = next((model.widths for model in models.values() if has_vae(model)), None)
    place = ("space", "choices", "vae") if spec.vaes else ("render", "vae")
    for path in filter(None, spec.vaes.values() or [spec.vae]):
        try:
            read_whole_vae(path, inside)
        except EngineError as error:
            yield from errors_at(error, *place)
