"""What other tools make of our texts, written down from what is known of them and not from our tables.

Each function reads an exported text as the tool would and returns the tensors, computed in float64.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, tensor

from engine.checkpoints.checkpoint import is_kept

Tensors = dict[str, Tensor]
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def load(path: str | Path) -> Tensors:
    return {key: value.double() for key, value in load_file(path).items()}


def kept(tensors: Tensors) -> Tensors:
    return {key: value for key, value in tensors.items() if is_kept(key)}


def commands(text: str) -> list[list[str]]:
    """The words of the commands for POSIX shells in a text."""
    found = re.findall(r"^(?:Linux, macOS: )?(python .*)$", text, re.MULTILINE)
    return [shlex.split(line) for line in found]


# -------------------------------------------------------------------------------------------- 25 weights and a base


def _number(key: str, pattern: str) -> int | None:
    match = re.search(pattern, key)
    return int(match[1]) if match else None


def _mbw_place(key: str) -> int | None:
    if "model.diffusion_model." not in key:
        return None
    if "time_embed" in key:
        return 0
    if ".out." in key:
        return 24
    if (number := _number(key, r"\.input_blocks\.(\d+)\.")) is not None:
        return number
    if re.search(r"\.middle_block\.\d+\.", key):
        return 12
    number = _number(key, r"\.output_blocks\.(\d+)\.")
    return None if number is None else 13 + number


def _mbw(models: list[Tensors], weights: list[float], base: float) -> Tensors:
    assert len(weights) == 25
    a, b, *c = models
    found = dict(a)
    for key in a:
        if "model" not in key or POSITIONS in key or any(key not in model for model in models):
            continue
        place = _mbw_place(key)
        alpha = base if place is None else weights[place]
        found[key] = a[key] + alpha * (b[key] - c[0][key]) if c else (1 - alpha) * a[key] + alpha * b[key]
    return found | {key: value for key, value in b.items() if "model" in key and key not in a and POSITIONS not in key}


def meh(text: str) -> Tensors:
    (words,) = commands(text)
    parser = argparse.ArgumentParser()
    for name in ("-a", "-b", "-c", "-m", "-p", "-d", "-j", "-f", "-o"):
        parser.add_argument(name)
    place = words.index("-wa")  # click takes the next word whatever it begins with
    weights, base = [*map(float, words[place + 1].split(","))], float(words[words.index("-ba") + 1])
    got = parser.parse_args([*words[2:place], *words[words.index("-p") :]])
    models = [load(path) for path in (got.a, got.b, got.c) if path]
    assert got.m == ("add_difference" if got.c else "weighted_sum")
    return kept(_mbw(models, weights, base))


def bbc_mc(text: str, preset: str, models: Mapping[str, Path]) -> Tensors:
    header, line = preset.splitlines()
    assert header == "preset_name\tpreset_weights"
    name, numbers = line.split("\t")
    assert f"preset: {name} (weights {numbers})" in text
    chosen = [_chosen(text, rf"^Model {letter}: (.*?) \[", models) for letter in "AB"]
    base = re.search(r"^base_alpha: (.*)$", text, re.MULTILINE)
    assert base
    return kept(_mbw([*map(load, chosen)], [*map(float, numbers.split(","))], float(base[1])))


def _chosen(text: str, pattern: str, models: Mapping[str, Path]) -> Path:
    match = re.search(pattern, text, re.MULTILINE)
    assert match, pattern
    return next(path for path in models.values() if path.name == match[1])


# ------------------------------------------------------------------------------------------------ one ratio for all


def a1111(text: str, models: Mapping[str, Path]) -> Tensors:
    method = re.search(r"^ *Interpolation Method: (.*)$", text, re.MULTILINE)
    assert method
    a = load(_chosen(text, r"^ *Primary model \(A\): (?:[ABC], )?(.*?) \[", models))
    if method[1] == "No interpolation":
        return kept(a)
    number = re.search(r"^ *Multiplier \(M\): (.*)$", text, re.MULTILINE)
    assert number
    b, ratio = load(_chosen(text, r"^ *Secondary model \(B\): (?:[ABC], )?(.*?) \[", models)), float(number[1])
    c = (
        load(_chosen(text, r"^ *Tertiary model \(C\): (?:[ABC], )?(.*?) \[", models))
        if method[1] == "Add difference"
        else None
    )
    found = dict(a)
    for key in a:
        if "model" in key and key in b and key != POSITIONS:
            other = b[key] - c[key] if c else b[key]
            found[key] = a[key] + ratio * other if c else (1 - ratio) * a[key] + ratio * other
    return kept(found)


def kohya(text: str) -> Tensors:
    (words,) = commands(text)
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--ratios", nargs="+", type=float)
    parser.add_argument("--unet_only", action="store_true")
    for name in ("--output", "--precision", "--saving_precision"):
        parser.add_argument(name)
    got = parser.parse_args(words[2:])
    first, *others = [load(path) for path in got.models]
    found = dict(first)
    for key in first:
        if got.unet_only and any(part in key for part in ("first_stage_model", "cond_stage_model", "conditioner.")):
            continue
        found[key] = got.ratios[0] * first[key]
        for model, ratio in zip(others, got.ratios[1:], strict=True):
            found[key] = found[key] + ratio * model.get(key, first[key])
    return kept(found)


# ------------------------------------------------------------------------------------------------------ chattiori


_MULTIPLIED = {
    "input_blocks.0.0.weight": (0, -0.01), "input_blocks.0.0.bias": (0, 0.02),
    "out.0.weight": (1, -0.01), "out.0.bias": (1, 0.02), "out.2.weight": (2, -0.01),
}  # fmt: skip
_COLOURS = {False: [[-1, 1 / 3, 2 / 3], [1, 1, 0], [0, -1, -1], [1, 0, 1]],
            True: [[0, 0, 1], [1, 0, 0], [-1, -1, 0], [-1, 1, 0]]}  # fmt: skip


def adjusted(tensors: Tensors, text: str) -> Tensors:
    fields = [float(word) for word in text.split(",")]
    assert len(fields) == 8
    xl = any(key.startswith("conditioner.") for key in tensors)
    found = dict(tensors)
    for name, (place, slope) in _MULTIPLIED.items():
        key = f"model.diffusion_model.{name}"
        found[key] = found[key] * (1 + slope * fields[place])
    rows = zip(*_COLOURS[xl], strict=True)
    added = [fields[3], *(sum(a * b for a, b in zip(row, fields[4:], strict=True)) for row in rows)]
    key = "model.diffusion_model.out.2.bias"
    found[key] = found[key] + 0.02 * tensor(added).double()
    return found


def _chattiori_place(key: str, xl: bool) -> int | None:
    last = 19 if xl else 25
    if xl and ("label_emb" in key or "time_embed" in key or not ("weight" in key or "bias" in key)):
        return None
    if "time_embed" in key or ".out." in key.replace("first_stage_model", ""):
        return last
    if (number := _number(key, r"\.input_blocks\.(\d+)\.")) is not None:
        return 1 + number
    if re.search(r"\.middle_block\.\d+\.", key):
        return 10 if xl else 13
    number = _number(key, r"\.output_blocks\.(\d+)\.")
    return 0 if number is None else (11 if xl else 14) + number


def chattiori(text: str) -> Tensors:
    parser = argparse.ArgumentParser()
    for name in ("mode", "model_path", "model_0", "model_1", "--model_2", "--alpha", "--fine", "--output"):
        parser.add_argument(name)
    for name in ("--save_half", "--save_safetensors"):
        parser.add_argument(name, action="store_true")
    made: dict[str, Tensors] = {}
    result: Tensors = {}

    def read(folder: str, name: str) -> Tensors:
        path = str(Path(folder) / name)
        return made[path] if path in made else load(path)

    for words in commands(text):
        got = parser.parse_args(words[2:])
        result = read(got.model_path, got.model_0)
        if got.mode != "NoIn":
            others = [read(got.model_path, name) for name in (got.model_1, got.model_2) if name]
            result = _chattiori_merge(result, others, [float(word) for word in got.alpha.split(",")])
        if got.fine:
            result = adjusted(result, got.fine)
        made[f"{got.model_path}/{got.output}.safetensors"] = result
    return kept(result)


def _chattiori_merge(a: Tensors, others: list[Tensors], weights: list[float]) -> Tensors:
    xl = any(key.startswith("conditioner.") for key in a)
    assert len(weights) == (20 if xl else 26)
    b, *c = others
    found = dict(a)
    for key in a:
        if "model" not in key or "first_stage_model" in key or key == POSITIONS or key not in b:
            continue
        if (place := _chattiori_place(key, xl)) is None:
            continue
        alpha = weights[place]
        found[key] = a[key] + alpha * (b[key] - c[0][key]) if c else (1 - alpha) * a[key] + alpha * b[key]
    return found


# ---------------------------------------------------------------------------------------------------- model mixer


def parameters(line: str) -> dict[str, str]:
    """The settings of a pasted line, as the WebUI reads them."""
    found = re.findall(r'\s*([\w ]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', line)
    return {name: json.loads(value) if value.startswith('"') else value for name, value in found}


def model_mixer(text: str, models: Mapping[str, Path]) -> Tensors:
    settings = {name.removeprefix("ModelMixer "): value for name, value in parameters(text.splitlines()[-1]).items()}

    def chosen(name: str) -> Tensors:
        return load(next(path for path in models.values() if settings[name].startswith(f"{path.name} [")))

    found = chosen("model a")
    for letter in "bcdef":
        if settings.get(f"use model {letter}") != "True":
            continue
        assert (settings[f"mbw mode {letter}"], settings[f"mbw {letter}"]) == ("True", "ALL")
        base = chosen("base model") if settings[f"merge mode {letter}"] == "Add-Diff" else None
        rules = settings[f"elemental {letter}"] if settings[f"use elemental {letter}"] == "True" else ""
        weights = [float(word) for word in settings[f"mbw weights {letter}"].split(",")]
        found = _mixer_stage(found, chosen(f"model {letter}"), base, settings[f"merge mode {letter}"], weights, rules)
    return kept(adjusted(found, settings["adjust"]) if "adjust" in settings else found)


def _mixer_stage(a: Tensors, b: Tensors, base: Tensors | None, mode: str, weights: list[float], rules: str) -> Tensors:
    xl = any(key.startswith("conditioner.") for key in a)
    assert len(weights) == (20 if xl else 26)
    names = [
        "BASE",
        *(f"IN{n:02}" for n in range(9 if xl else 12)),
        "M00",
        *(f"OUT{n:02}" for n in range(9 if xl else 12)),
    ]
    found = dict(a)
    for key in a:
        place = _mixer_place(key, xl)
        if place is None or key not in b or "position_ids" in key or key.endswith(("logit_scale", "text_projection")):
            continue
        block = names[place] if place >= 0 else ""
        alpha = _ruled(key, block, rules, weights[place])
        found[key] = _MIXER_MODES[mode](a[key], b[key], base[key] if base else None, alpha, key)
    return found


def _mixer_place(key: str, xl: bool) -> int | None:
    if ("conditioner." if xl else "cond_stage_model.") in key:
        return 0
    if not key.startswith("model.diffusion_model."):
        return None
    middle = 10 if xl else 13
    for part, offset in (("input_blocks.", 1), ("middle_block.", middle), ("output_blocks.", middle + 1)):
        if part in key:
            return offset if offset == middle else offset + int(key.split(part)[1].split(".", maxsplit=1)[0])
    return -1  # time_embed, label_emb, out


def _ruled(key: str, block: str, rules: str, alpha: float) -> float:
    for rule in filter(None, rules.split(",")):
        blocks, elements, ratio = rule.split(":")
        if block in blocks.split() and (not elements or any(part in key for part in elements.split())):
            alpha = float(ratio)
    return alpha


def _self(a: Tensor, _b: Tensor, _c: Tensor | None, alpha: float, key: str) -> Tensor:
    return a if alpha == 0 or any(part in key for part in ("to_out", "proj_out", "norm")) else a * alpha


def _add(a: Tensor, b: Tensor, c: Tensor | None, alpha: float, _key: str) -> Tensor:
    assert c is not None
    return a + (b - c) * alpha


_MIXER_MODES: dict[str, Callable[[Tensor, Tensor, Tensor | None, float, str], Tensor]] = {
    "Sum": lambda a, b, _c, alpha, _key: (1 - alpha) * a + alpha * b,
    "Add-Diff": _add,
    "Self": _self,
}
