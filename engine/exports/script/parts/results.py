"""The tensors that a merge makes: step by step, or as weighted sums."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from engine.exports.script.parts.formulas import ScriptError, times


def look_up(table: Mapping[str, Any], key: str) -> Any:
    """The entry of a tensor: that of the longest beginning of its name that the table has."""
    start = key
    while start and start not in table:
        start = start[: start.rstrip(".").rfind(".") + 1]
    return table[start]


def readable(path: Path) -> Path:
    """The path itself where it leads to a file: a pipe or a device would never come to an end."""
    if not path.is_file():
        raise ScriptError(f"{path}: this is no file")
    return path


class Model:
    """A checkpoint; its tensors are read one by one."""

    def __init__(self, path: Path) -> None:
        with readable(path).open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        self.names = {usual_name(name): name for name in header}
        self.shapes = {key: tuple(header[name]["shape"]) for key, name in self.names.items()}
        self.file = safe_open(str(readable(path)), framework="pt")

    def read(self, key: str) -> Tensor:
        """A tensor as it is in the file."""
        return self.file.get_tensor(self.names[key])


def usual_name(name: str) -> str:
    """The name of a tensor; old files leave text_model out of those of the text encoder."""
    old = "cond_stage_model.transformer."
    parts = tuple(old + part for part in ("embeddings.", "encoder.", "final_layer_norm."))
    return f"{old}text_model.{name[len(old) :]}" if name.startswith(parts) else name


class StepResult:
    """What a step makes of its models, or of what earlier steps made; computed as it is read."""

    def __init__(self, models: Sequence[Any], formulas: Mapping[str, Callable[..., Any]], step: Mapping[str, Any]):
        self.a, self.b = models[:2]
        self.c = models[-1]
        self.step, self.formulas = step, formulas
        only_b = {
            key: shape
            for key, shape in self.b.shapes.items()
            if key not in self.a.shapes and look_up(step["ratios"], key) in ("B", "B - C")
        }
        self.shapes = {**self.a.shapes, **only_b}
        self.last: tuple[str, Any] = ("", None)

    def read(self, key: str) -> Tensor:
        """The tensor that the step makes."""
        if self.last[0] != key:
            self.last = (key, self.computed(key))
        return self.last[1]

    def computed(self, key: str) -> Tensor:
        """The tensor of A where the table or the formula has None, that of B where it has B, else the formula's."""
        ratio = look_up(self.step["ratios"], key)
        if ratio is None:
            return self.a.read(key)
        if key not in self.a.shapes:
            return self.input(ratio, key)
        ratios = ratio if isinstance(ratio, tuple) else (ratio,)
        a, *others = [self.input(name, key) for name in self.step["inputs"]]
        formula = self.formulas[self.step["formula"]]
        if others and others[0].ndim == a.ndim == 4 and others[0].shape[1] < a.shape[1]:
            found = a.clone()  # the input of an inpainting model: its further channels stay as they are
            count = others[0].shape[1]
            found[:, :count] = formula(a[:, :count], *others, *ratios)
        else:
            found = formula(a, *(other.reshape(a.shape) for other in others), *ratios)
        if found is None:
            return self.a.read(key)
        found = self.adjusted(key, found)
        return found.half() if self.step.get("rounds to float16") and found.dtype == torch.float32 else found

    def input(self, name: str, key: str) -> Tensor:
        """One of the tensors that the formula takes."""
        if name == "B - C":
            subtract = self.formulas[self.step["difference"]]
            return subtract(self.b.read(key), self.c.read(key) if key in self.c.shapes else None)
        return {"A": self.a, "B": self.b, "C": self.c}[name].read(key)

    def adjusted(self, key: str, value: Tensor) -> Tensor:
        """Adjust: a factor for each of five tensors, a number for each channel of a sixth."""
        if key in self.step.get("factors", {}):
            return times(self.step["factors"][key], value)
        return value + torch.tensor(self.step["shifts"][key]) if key in self.step.get("shifts", {}) else value


class SavedAsHalf:
    """A step's result as it is read back after it was saved as fp16."""

    def __init__(self, source: Any) -> None:
        self.source, self.shapes = source, source.shapes

    def read(self, key: str) -> Tensor:
        """The tensor of the step, rounded."""
        value = self.source.read(key)
        return value.half() if value.is_floating_point() and "model" in key else value


def run_steps(
    models: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
    formulas: Mapping[str, Callable[..., Any]],
    *,
    saved_as_half: bool,
) -> Any:
    """The result of the last step."""
    made, result = dict(models), None
    for step in steps:
        result = StepResult([made[name] for name in step["models"]], formulas, step)
        made[step["makes"]] = SavedAsHalf(result) if saved_as_half else result
    return result


class WeightedSums:
    """What the weights of the models in each tensor give, rounded once."""

    def __init__(
        self, models: Mapping[str, Any], weights: Mapping[str, Any], shifts: Mapping[str, Any], root: str
    ) -> None:
        self.models, self.weights, self.shifts = models, weights, shifts
        every = {key: shape for model in models.values() for key, shape in model.shapes.items()}
        self.shapes = every | {
            key: models[name].shapes[key]
            for key in every
            for name in (*reversed(look_up(weights, key)), root)  # the last that has it counts
            if key in models[name].shapes
        }

    def read(self, key: str) -> Tensor:
        """The sum in float32, or the tensor of the one model that it consists of."""
        shape, weights = self.shapes[key], look_up(self.weights, key)
        terms = [(self.models[name].read(key).reshape(shape), weight) for name, weight in weights.items()]
        if len(terms) == 1 and terms[0][1] == 1 and key not in self.shifts:
            return terms[0][0]
        value = weighted(terms) if terms else torch.zeros(shape)
        return value + torch.tensor(self.shifts[key]) if key in self.shifts else value


def weighted(terms: list[tuple[Tensor, float]]) -> Tensor:
    """``total * base + sum of weight * (tensor - base)`` in float32; the base has the largest weight."""
    place = max(range(len(terms)), key=lambda number: (abs(terms[number][1]), number))
    total, base = sum(weight for _, weight in terms), terms[place][0].float()
    value: Tensor | None = None
    for number, (tensor, weight) in enumerate(terms):
        if number != place:
            part = (tensor.float() - base) * weight
            value = part if value is None else value + part
    last = base if abs(total - 1) < 1e-12 else base * total
    return last if value is None else value + last


def vae_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a VAE file, by their names in checkpoints."""
    if path.suffix in {".pt", ".pth", ".ckpt", ".bin"}:
        found = torch.load(readable(path), map_location="cpu", weights_only=True)
        found = found.get("state_dict", found)
    else:
        model = Model(path)
        found = {key: model.read(key) for key in model.shapes}
    start = "first_stage_model."
    return {key if key.startswith(start) else start + key: value for key, value in found.items()}
