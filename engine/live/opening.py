"""What opening an engine checks: the parents against each other, what they predict, and every choice by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from engine.architecture.configs import ModelFamily, Prediction
from engine.architecture.prediction import V_MARK, ZERO_TERMINAL_MARK, marks_of, mixed_marks
from engine.checkpoints.checkpoint import Checkpoint, check_pair, open_complete
from engine.errors import CheckpointError, EngineError, Problems, did_you_mean
from engine.live.prediction import model_marks
from engine.merging.evaluate import DTYPES


def open_parents(models: Mapping[str, Path], *, vae: bool) -> dict[str, Checkpoint]:
    """Return all parents, with a VAE inside or not, each checked against the first.

    Raises:
        EngineError: there are none.
        CheckpointError: some cannot be used; all of them are named.
    """
    if not models:
        raise EngineError("no models to open", remedy="name at least one checkpoint")
    checkpoints: dict[str, Checkpoint] = {}
    problems = Problems()
    for name, path in models.items():
        with problems.collecting(name):
            checkpoints[name] = open_complete(path, vae=vae)
            check_pair(next(iter(checkpoints.values())), checkpoints[name], vae=vae)
    problems.raise_as(CheckpointError)
    return checkpoints


def family_of_models(checkpoints: Mapping[str, Checkpoint], prediction: str, ztsnr: str) -> ModelFamily:
    """Return the models' family, prediction and noise levels, by their marks, or as the caller says.

    Raises:
        EngineError: the marks do not agree.
    """
    first = next(iter(checkpoints))
    if prediction == "auto":
        marks = model_marks(checkpoints)
        if problem := mixed_marks(marks):
            raise EngineError.of([problem])
        chosen: Prediction = "v" if V_MARK in marks[first] else "epsilon"
    else:
        chosen = "v" if prediction == "v" else "epsilon"
    marked = ZERO_TERMINAL_MARK in marks_of(checkpoints[first].tensors)
    zero_terminal = marked if ztsnr == "auto" else ztsnr == "on"
    return ModelFamily(widths=checkpoints[first].widths, prediction=chosen, zero_terminal_snr=zero_terminal)


def precision_on(device: torch.device, name: str) -> str:
    """Return the precision that a name stands for on a device: "auto" is fp16 on CUDA, else fp32.

    Raises:
        EngineError: it is not known.
    """
    check_choice("precision", name, ("auto", *DTYPES))
    if name == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    return name


def check_choice(what: str, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a name that is none of the choices.

    Raises:
        EngineError: it is none of them; the nearest one is named.
    """
    if name not in choices:
        raise EngineError("is not known", place=(what,), seen=name, remedy=did_you_mean(name, choices))
