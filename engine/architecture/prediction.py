"""What a checkpoint's own marks say of its UNet's output: empty tensors among its keys, and its metadata.

The keys are those that ComfyUI writes and reads (comfy/supported_models.py, comfy_extras/nodes_model_merging.py), the
names in the metadata those of Stability AI's ModelSpec 1.0.1, of ComfyUI and of kohya's trainers. A key counts more
than the metadata, which merging tools copy from one parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from engine.errors import Problem

V_MARK, ZERO_TERMINAL_MARK = "v_pred", "ztsnr"
"""Names of empty tensors in files: the UNet predicts v; its schedule ends in pure noise."""
EDM_MARKS: Mapping[str, str] = MappingProxyType(
    {
        "edm_mean": "Playground 2.5",
        "edm_std": "Playground 2.5",
        "edm_vpred.sigma_max": "CosXL",
        "edm_vpred.sigma_min": "CosXL",
    }
)
"""Names of tensors by which models with EDM's noise levels are known, and the best known such model."""
ZTSNR: tuple[str, ...] = ("auto", "on", "off")
"""Whether a model's noise levels end in pure noise: as it is marked, yes, or no."""
PREDICTION_KEYS = frozenset({V_MARK, ZERO_TERMINAL_MARK, *EDM_MARKS})
"""All names of tensors that say how a model is sampled; none is a weight."""
NOTHING: Mapping[str, str] = MappingProxyType({})
"""The metadata of a file that has none."""

_NAMES = ("modelspec.prediction_type", "modelspec.predict_key", "ss_v_parameterization")
_ARCHITECTURE, _SD2_V = "modelspec.architecture", "stable-diffusion-v2-768-v"
_PROCESS = "modelspec.noise_process"
_V = frozenset({"v", "v_pred", "v_prediction", "v_parameterization", "velocity", "true"})
_EPSILON = frozenset({"epsilon", "eps", "noise", "false"})
_FLOW = ("flow", "rectified")
_REMEDY = "merge it without rendering, render it in ComfyUI, or take a model that predicts epsilon or v"


def marks_of(keys: Iterable[str], metadata: Mapping[str, str] = NOTHING) -> frozenset[str]:
    """Return which of ``v_pred`` and ``ztsnr`` a file is marked with, by a key, or for v by its metadata."""
    found = {V_MARK, ZERO_TERMINAL_MARK}.intersection(keys)
    return frozenset({*found, V_MARK} if says_v(metadata) else found)


def mixed_marks(marks: Mapping[str, frozenset[str]]) -> Problem | None:
    """Return what is wrong with models of these marks, by their names: nothing where all have the same."""
    if len(set(marks.values())) < 2:
        return None
    listed = ", ".join(f"{name} {' and '.join(sorted(own)) or 'nothing'}" for name, own in marks.items())
    return Problem(
        what=f"the models are marked for different predictions ({listed}), and a mix of those predicts neither",
        remedy='take models of one kind, or set prediction to "epsilon" or "v"',
    )


def says_v(metadata: Mapping[str, str]) -> bool | None:
    """Return whether a file's metadata says that its UNet predicts v; None where it does not say what."""
    for word in _words(metadata):
        if word in _V | _EPSILON:
            return word in _V
    return True if metadata.get(_ARCHITECTURE, "").strip().casefold() == _SD2_V else None


def other_prediction(keys: Iterable[str], metadata: Mapping[str, str] = NOTHING) -> tuple[str, str] | None:
    """Return why no pictures can be made here of a file with these marks, and the way out; None where they can."""
    edm = sorted(set(EDM_MARKS).intersection(keys))
    if edm:
        named = f"{' and '.join(edm)} say that it has EDM's noise levels, as {EDM_MARKS[edm[0]]} has"
        return f"{named}: pictures are made here of models that predict epsilon or v on SD's noise levels", _REMEDY
    for name in (*_NAMES, _PROCESS):
        value = metadata.get(name, "")
        if any(word in value.casefold() for word in _FLOW):
            what = f'its metadata says {name} = "{value}" (flow matching)'
            return f"{what}: pictures are made here of models that predict epsilon or v", _REMEDY
    return None


def _words(metadata: Mapping[str, str]) -> list[str]:
    return [metadata.get(name, "").strip().casefold().replace("-", "_") for name in _NAMES]
