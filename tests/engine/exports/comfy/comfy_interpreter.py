"""What a workflow makes, by the formulas that ComfyUI documents for its nodes; in float32, key by key.

merge: ``ratio * first + (1 - ratio) * second``, with the ratio of the longest input name that the key begins with;
subtract: ``(first - second) * multiplier``; attention: each of q, k, v and out times its number; LoRA: ``diff`` and
``diff_b`` are added. Text encoders: all but position numbers and logit scale, with one ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

UNET = "model.diffusion_model."
CLIP = ("cond_stage_model.", "conditioner.")
VAE = "first_stage_model."
Part = dict[str, Tensor]
_OPENCLIP = {"clip_g": "conditioner.embedders.1.model.", "clip_h": "cond_stage_model.model."}


class Interpreter:
    """Evaluates workflows of the files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Part] = {}

    def saved(self, api: dict) -> dict[str, Part]:
        """Evaluate what CheckpointSave is given: by "model", "clip" and "vae", the tensors under the names of files."""
        made: dict[tuple[str, int], Any] = {}
        (save,) = [node for node in api.values() if node["class_type"] == "CheckpointSave"]
        return {name: self._value(api, save["inputs"][name], made) for name in ("model", "clip", "vae")}

    def _value(self, api: dict, value: Any, made: dict) -> Any:
        if not isinstance(value, list):
            return value
        source, slot = value
        if (source, slot) not in made:
            node = api[source]
            inputs = {name: self._value(api, one, made) for name, one in node["inputs"].items()}
            for number, result in enumerate(self._run(node["class_type"], inputs)):
                made[source, number] = result
        return made[source, slot]

    def _run(self, kind: str, inputs: dict) -> tuple:
        runs: dict[str, Callable[..., tuple]] = {
            "CheckpointLoaderSimple": self._loaded,
            "VAELoader": lambda vae_name: (self._read(vae_name),),
            "PrimitiveFloat": lambda value: (value,),
            "LoraLoader": self._with_lora,
            "LoraLoaderModelOnly": self._with_lora,
            "UNetSelfAttentionMultiply": lambda model, **factors: (_attention(model, "attn1", factors),),
            "UNetCrossAttentionMultiply": lambda model, **factors: (_attention(model, "attn2", factors),),
        }
        return runs[kind](**inputs) if kind in runs else (_two_models(kind, **inputs),)

    def _loaded(self, ckpt_name: str) -> tuple[Part, ...]:
        content = self._read(ckpt_name)
        return tuple(
            {key: value for key, value in content.items() if key.startswith(prefix)} for prefix in (UNET, CLIP, VAE)
        )

    def _read(self, name: str) -> Part:
        if name not in self._files:
            content = load_file(self._folder / name)
            self._files[name] = {key: one.float() if one.is_floating_point() else one for key, one in content.items()}
        return self._files[name]

    def _with_lora(self, model: Part, lora_name: str, clip: Part | None = None, **strengths: float) -> tuple:
        assert set(strengths.values()) == {1.0}
        changed = [dict(model), dict(clip or {})]
        for name, value in load_file(self._folder / lora_name).items():
            key = _lora_key(name)
            part = changed[0 if key.startswith(UNET) else 1]
            moved = value.t() if key.endswith("text_projection") else value
            assert moved.shape == part[key].shape, key
            part[key] = part[key] + moved
        return tuple(changed)


def _lora_key(name: str) -> str:
    """The key of a file that a difference changes."""
    module, _, kind = name.rpartition(".")
    if module.startswith("diffusion_model."):
        return f"model.{module}.{'weight' if kind == 'diff' else 'bias'}"
    _, encoder, tail = module.split(".", 2)
    names = {
        "transformer.text_projection": "text_projection",
        "transformer.text_model.embeddings.position_embedding": "positional_embedding",
    }
    return _OPENCLIP[encoder] + names[tail]


def _ratio(ratios: dict[str, float], key: str) -> float:
    if [*ratios] == ["ratio"]:
        return ratios["ratio"]
    fitting = [name for name in ratios if key.removeprefix(UNET).startswith(name)]
    return ratios[max(fitting, key=len)] if fitting else next(iter(ratios.values()))


def _two_models(kind: str, **inputs: Any) -> Part:
    first, second, *numbers = inputs.values()
    if kind.endswith("Subtract"):
        return _both(first, second, lambda _, a, b: (a - b) * numbers[0])
    if kind.endswith("Add"):
        return _both(first, second, lambda _, a, b: a + b)
    ratios = dict([*inputs.items()][2:])
    return _both(first, second, lambda key, a, b: _ratio(ratios, key) * a + (1 - _ratio(ratios, key)) * b)


def _both(first: Any, second: Any, formula: Callable[[str, Tensor, Tensor], Tensor]) -> Part:
    kept = (".position_ids", ".logit_scale")
    return {key: one if key.endswith(kept) else formula(key, one, second[key]) for key, one in first.items()}


def _attention(model: Part, name: str, factors: dict[str, float]) -> Part:
    found = dict(model)
    for tensor, factor in factors.items():
        ends = tuple(f"{name}.to_{tensor}{'.0' if tensor == 'out' else ''}.{kind}" for kind in ("weight", "bias"))
        found |= {key: value * factor for key, value in model.items() if key.endswith(ends)}
    return found
