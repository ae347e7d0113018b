"""The configurations of a model folder for diffusers: pipeline, scheduler, modules, tokenizers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers

from engine.architecture.configs import ModelFamily
from engine.architecture.keymap import Component
from engine.architecture.widths import FamilyName
from engine.live.model import LiveModel
from engine.prompts.encoders import OPENCLIP_PAD
from engine.prompts.tokenizer import CONTEXT, vocabulary

FOLDERS: dict[Component, str] = {
    "unet": "unet",
    "vae": "vae",
    "text": "text_encoder",
    "text_g": "text_encoder_2",
}
"""The folder of each module."""
_TOKENIZERS: dict[Component, str] = {"text": "tokenizer", "text_g": "tokenizer_2"}
_START, _END = "<|startoftext|>", "<|endoftext|>"
_SD: dict[str, Any] = {
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}
_SDXL: dict[str, Any] = {
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "force_zeros_for_empty_prompt": True,
}
_PIPELINES: dict[FamilyName, tuple[str, dict[str, Any]]] = {
    "sd1": ("StableDiffusionPipeline", _SD),
    "sd2": ("StableDiffusionPipeline", _SD),
    "sdxl": ("StableDiffusionXLPipeline", _SDXL),
}


def write_configs(folder: Path, live: LiveModel) -> None:
    """Write every file of a model folder but its weights and texts for people.

    Args:
        folder: there already; its folders are made.
        live: modules, with or without memory.

    Raises:
        OSError: a file cannot be written.
        EngineError: CLIP's vocabulary is not installed.
    """
    _write_json(folder / "model_index.json", _pipeline(live))
    _write_json(folder / "scheduler" / "scheduler_config.json", scheduler_config(live.family))
    for component, module in live.modules.items():
        _write_json(folder / FOLDERS[component] / "config.json", _module_config(component, module))
    for component, encoder in zip(_TOKENIZERS, live.family.widths.encoders, strict=False):
        _write_tokenizer(folder / _TOKENIZERS[component], padded_with_end=encoder.kind == "clip")


def scheduler_config(family: ModelFamily) -> dict[str, Any]:
    """Return the configuration of Euler's method on the noise levels that the model was trained on.

    A model whose levels end in pure noise needs its last time, which the spacing ``trailing`` has (Lin et al. 2024,
    https://arxiv.org/abs/2305.08891).
    """
    zero_terminal = family.zero_terminal_snr
    return {
        "_class_name": "EulerDiscreteScheduler",
        "_diffusers_version": diffusers.__version__,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction" if family.prediction == "v" else "epsilon",
        "rescale_betas_zero_snr": zero_terminal,
        "timestep_spacing": "trailing" if zero_terminal else "leading",
        "steps_offset": 1,  # diffusers warns of any other
        "interpolation_type": "linear",
        "use_karras_sigmas": False,
    }


def _pipeline(live: LiveModel) -> dict[str, Any]:
    name, more = _PIPELINES[live.family.name]
    modules = {
        FOLDERS[component]: [type(module).__module__.partition(".")[0], type(module).__name__]
        for component, module in live.modules.items()
    }
    tokenizers = {_TOKENIZERS[part]: ["transformers", "CLIPTokenizer"] for part in live.modules if part in _TOKENIZERS}
    scheduler = {"scheduler": ["diffusers", "EulerDiscreteScheduler"]}
    versions = {"_class_name": name, "_diffusers_version": diffusers.__version__}
    return versions | modules | tokenizers | scheduler | more


def _module_config(component: Component, module: Any) -> dict[str, Any]:
    if component in _TOKENIZERS:
        # Without a dtype transformers takes the file's, where diffusers takes float32 for the other modules.
        return {**module.config.to_dict(), "architectures": [type(module).__name__], "dtype": "float32"}
    return json.loads(module.to_json_string())


def _write_tokenizer(folder: Path, *, padded_with_end: bool) -> None:
    """CLIP's tokenizer in the files of transformers; OpenCLIP pads with the token 0 instead of the end."""
    tokens, merges = vocabulary()
    pad = _END if padded_with_end else next(name for name, number in tokens.items() if number == OPENCLIP_PAD)
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": pad}
    _write_json(folder / "vocab.json", tokens)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    _write_json(folder / "special_tokens_map.json", special)
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT,
        "do_lower_case": True,
        "errors": "replace",
    }
    _write_json(folder / "tokenizer_config.json", config | special)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
