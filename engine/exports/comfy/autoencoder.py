"""Which VAE a workflow saves: no node of ComfyUI merges them, so it is one model's, or a file's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.architecture.layout import VAE
from engine.exports.comfy.cells import part_keys
from engine.exports.content import ExportContent
from engine.exports.ratio_tools.fitting.equal_tensors import EqualTensors

_CLOSE = 1e-9
_TRAINING = (f"{VAE}loss.", f"{VAE}model_ema.")


@dataclass(frozen=True, slots=True)
class VaeChoice:
    """A model's VAE.

    Attributes:
        model: whose.
        warning: what it should be and is not; empty where it is what the recipe makes.
    """

    model: str
    warning: str = ""


def vae_keys(content: ExportContent) -> list[str]:
    """Return the keys of the result's VAE."""
    return [key for key in part_keys(content, VAE) if not key.startswith(_TRAINING)]


def chosen_vae(content: ExportContent) -> VaeChoice:
    """Return the VAE that is nearest to that of a recipe whose result has one.

    Raises:
        CheckpointError: a model cannot be read.
    """
    keys = vae_keys(content)
    sources = {content.plan.rows[key].source for key in keys}
    if len(sources) == 1 and (source := next(iter(sources))):
        return VaeChoice(source)
    weights = _mean_weights(content, keys)
    heaviest = max(weights, key=lambda name: weights[name])
    if _is_same_everywhere(content, keys):
        return VaeChoice(heaviest)
    shares = ", ".join(f"{weight:.4g} of {name}" for name, weight in weights.items() if weight)
    return VaeChoice(
        heaviest,
        f"the recipe merges the VAEs too ({shares}), which no node does: the VAE of {heaviest} is taken whole. Name "
        "another with --vae, or export the checkpoint itself",
    )


def _mean_weights(content: ExportContent, keys: list[str]) -> dict[str, float]:
    found = dict.fromkeys(content.plan.models, 0.0)
    for key in keys:
        for term, weight in content.plan.rows[key].terms:
            if isinstance(term, str):
                found[term] += weight / len(keys)
    return found


def _is_same_everywhere(content: ExportContent, keys: list[str]) -> bool:
    """Whether all models that go in have the same VAE, so that any weights of 1 in all give it."""
    if set(content.nonlinear).intersection(keys):
        return False
    equal = EqualTensors(content.checkpoints)
    return all(_is_one(equal.joined(key, content.weights(key))) for key in keys)


def _is_one(weights: Mapping[str, float]) -> bool:
    return len(weights) == 1 and abs(sum(weights.values()) - 1) < _CLOSE
