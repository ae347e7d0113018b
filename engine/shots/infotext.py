"""The text that AUTOMATIC1111's WebUI keeps in a picture under ``parameters``: written for a shot, and read back.

The prompt, the negative after "Negative prompt: ", and a last line of ``Key: value`` pairs. The format is that of
WebUI 1.10 (``create_infotext`` in its modules/processing.py, ``parse_generation_parameters`` in its
modules/infotext_utils.py; what names a VAE: modules/sd_vae.py). A key that is missing has the WebUI's default. Free of
torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from engine.errors import Named, Problems, RenderError
from engine.shots.compatibility import KEYS, compatibility_of
from engine.shots.hires import Hires
from engine.shots.infotext_hires import (
    HIRES_KEYS,
    SAME,
    SAMPLER,
    has_hires,
    hires_pairs,
    hires_settings,
    todays_hires,
)
from engine.shots.infotext_options import KEYS as OPTION_KEYS
from engine.shots.infotext_options import option_pairs, picture_options
from engine.shots.infotext_origin import COMFY, HASHES, named_networks, program_of
from engine.shots.infotext_values import number_of, sampler_settings, size_of, written
from engine.shots.limits import LATENT_STEP
from engine.shots.samplers import SAMPLERS, split_name
from engine.shots.shot import Shot

PROMPT, NEGATIVE = "Prompt", "Negative prompt"
FEWEST_PAIRS = 3
"""With fewer pairs than these the WebUI takes the last line for words of the prompt."""
GPU = "NV"
"""Whose random numbers a WebUI uses where the text has no RNG."""
NOISE_LEVELS, ZERO_TERMINAL = "Noise Schedule", "Zero Terminal SNR"
"""The key of a model's noise levels, and its value where they end in pure noise."""

_WHOLE = {"Steps": "steps", "Seed": "seed", "Clip skip": "clip_skip", "ENSD": "ensd"}
_NUMBERS = {"CFG scale": "cfg", "Sigma noise": "s_noise"}
_ETAS = ("Eta", "Eta DDIM")
_SINGLE = frozenset({PROMPT, NEGATIVE, "Sampler", "Schedule type", "Size", "RNG", NOISE_LEVELS})
_READ = frozenset({*_SINGLE, *_WHOLE, *_NUMBERS, *_ETAS, *KEYS.values(), *OPTION_KEYS.values()})
_HARMLESS = frozenset(
    {"Model", "Model hash", "VAE", "VAE hash", "TI hashes", "Hashes", "Version", "App", "User", "Recipe"}
)

_PAIR = re.compile(r'(\w[\w /-]{1,60}):\s*("(?:[^"\\]|\\.)*"|\{[^{}]*\}|[^,]*)(?:,|$)')  # {}: the Hashes of Civitai


# --------------------------------------------------------------------------------------------------------- writing


def infotext(
    shot: Shot,
    *,
    model: str,
    model_hash: str = "",
    vae: str = "",
    vae_hash: str = "",
    more: Mapping[str, str] | None = None,
) -> str:
    """Return the text of a picture.

    As in the WebUI, it lacks Clip skip 1, and settings of noise that are at their defaults or have no effect. RNG is
    always in it. A prompt that the WebUI would not read back unchanged (with lines that begin with "Negative prompt:",
    or blanks at the ends of lines) is repeated among the pairs, where the WebUI reads it too.

    Args:
        shot: what the picture shows.
        model: name of the model.
        model_hash: ten digits that name its content; empty: left out.
        vae: file name of the VAE, with its ending, where one was chosen; empty: left out.
        vae_hash: first ten digits of the SHA-256 of that file; empty: left out.
        more: further pairs, before the version.
    """
    above = f"{shot.prompt}\nNegative prompt: {shot.negative}" if shot.negative else shot.prompt
    models = {"Model hash": model_hash, "Model": model, "VAE hash": vae_hash, "VAE": vae}
    pairs = {name: _quoted(value) for name, value in _pairs(shot, models, more or {}).items()}
    if _prompts(above.strip().split("\n")) != (shot.prompt, shot.negative):
        pairs |= {PROMPT: _in_quotes(shot.prompt), NEGATIVE: _in_quotes(shot.negative)}
    line = ", ".join(f"{name}: {value}" for name, value in pairs.items())
    return f"{above}\n{line}".strip()


def _pairs(shot: Shot, models: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """In the WebUI's order."""
    second = shot.second
    noise = (second.noise_settings if second else {}) | shot.noise_settings
    found = {
        "Steps": str(shot.steps),
        "Sampler": shot.sampler,
        "Schedule type": shot.schedule,
        "CFG scale": written(shot.cfg),
        "Seed": str(shot.seed),
        "Size": written((shot.width, shot.height)),
        **models,
        "Denoising strength": written(shot.hires.denoise) if shot.hires else "",
        "Clip skip": "" if shot.clip_skip == 1 else str(shot.clip_skip),
        "ENSD": str(noise.get("ensd", "")),
        "RNG": shot.rng,
        _eta_name(*(part.sampler for part in shot.passes)): written(float(noise["eta"])) if "eta" in noise else "",
        "Sigma noise": written(float(noise["s_noise"])) if "s_noise" in noise else "",
        **hires_pairs(shot),
        **option_pairs(shot.options),
        **{KEYS[name]: "True" for name in shot.compatibility.fields},
        **more,
        "Version": f"sd-recipe-search {version('sd-recipe-search')}",
    }
    return {name: value for name, value in found.items() if value}


def _eta_name(*samplers: str) -> str:
    """The key of eta, by the first sampler that has an eta; for samplers with levels of their own it is another."""
    found = [SAMPLERS[parts[0]] for name in samplers if (parts := split_name(name))]
    facts = next((facts for facts in found if facts.eta is not None), found[0] if found else None)
    return _ETAS[facts is not None and not facts.automatic]


def _quoted(value: str) -> str:
    return _in_quotes(value) if set(value) & set(',:"\n\r') or value != value.strip() else value


def _in_quotes(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


# --------------------------------------------------------------------------------------------------------- reading


def read_fields(text: str) -> dict[str, str]:
    """Every pair by its key, and ``Prompt`` and ``Negative prompt``; hires fix under the keys of today.

    Raises:
        RenderError: the last line is not one of settings.
    """
    *lines, last = text.strip().split("\n")
    pairs: list[tuple[str, str]] = _PAIR.findall(last)
    if len(pairs) < FEWEST_PAIRS:
        raise RenderError(
            "the last line of a picture's text must hold its settings, such as "
            '"Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"',
            place=(Named(f"{last.strip()!r:.80}"),),
            remedy="take a picture that a WebUI saved",
        )
    prompt, negative = _prompts(lines)
    found = {PROMPT: prompt, NEGATIVE: negative} | {name: _plain(value.strip()) for name, value in pairs}
    return todays_hires(found)


def shot_settings(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a shot, by the names of ``Shot``; what the fields lack has the WebUI's default.

    Raises:
        RenderError: numbers that are none, or hires fix that cannot be made; all problems are named.
    """
    problems, later = Problems(), Problems()
    found: dict[str, Any] = {"prompt": fields.get(PROMPT, ""), "negative": fields.get(NEGATIVE, "")}
    found |= sampler_settings(fields)
    usual = "CPU" if program_of(fields) == COMFY else "GPU"
    found["rng"] = GPU if fields.get("RNG", usual) == "GPU" else fields.get("RNG", usual)
    found["compatibility"] = compatibility_of(fields)
    found["options"] = picture_options(fields, problems)
    hires = hires_settings(fields, later)
    names = {**_NUMBERS, _eta_name(found.get("sampler", ""), hires.get("sampler", "")): "eta"}
    for name, field in {**_WHOLE, **names}.items():
        if name in fields:
            found[field] = number_of(name, fields[name], int if name in _WHOLE else float, problems)
    if "Size" in fields:
        width, height = size_of("Size", fields["Size"], problems)
        _take_size(width, height, found, hires)
    problems.extend(later.found)
    problems.raise_as(RenderError, "the picture's text")
    return found | ({"hires": Hires(**hires)} if hires else {})


def _take_size(width: int, height: int, found: dict[str, Any], hires: dict[str, Any]) -> None:
    """Put the size into the settings, as a WebUI makes it: whole latents, but enlarged from the pixels of the text."""
    found["width"], found["height"] = (side // LATENT_STEP * LATENT_STEP for side in (width, height))
    if hires and (width, height) != (found["width"], found["height"]) and not any(hires.get("resize", ())):
        scale = hires.get("scale") or 2.0
        hires["resize"] = (int(width * scale), int(height * scale))


def unfollowed(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the settings of a picture that a shot has no counterpart for, such as "Hires checkpoint: x"."""
    followed = _READ | _HARMLESS
    if has_hires(fields):
        followed = (followed | HIRES_KEYS) - (
            set(_ETAS) - {_eta_name(fields.get("Sampler", ""), fields.get(SAMPLER, ""))}
        )
    left = [f"{name}: {value}" for name, value in fields.items() if name not in followed and not value.startswith(SAME)]
    return (*left, *(f"{HASHES}: {name}" for name in named_networks(fields)))


def _prompts(lines: Iterable[str]) -> tuple[str, str]:
    """Prompt and negative, split as in the WebUI, which strips every line."""
    prompt, negative = "", ""
    behind = False
    for line in map(str.strip, lines):
        words = line.removeprefix("Negative prompt:")
        behind = behind or words != line
        if behind:
            negative += ("\n" if negative else "") + words.strip()
        else:
            prompt += ("\n" if prompt else "") + line
    return prompt, negative


def _plain(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
