"""A slow, plain float64 reference of one SuperMerger run, written from SuperMerger's documented behaviour alone.

Models are state dicts as a loader hands them over: keys are not renamed here. Not modelled: FLUX, random letters in
the ratio texts, preset names, a baked VAE, Reset CLIP ids. On SDXL, Include/Exclude addresses the real block of a key,
not the shifted id that elemental rules see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tests.engine.merging import reference_formulas as formulas
from tests.engine.merging import reference_rules as rules
from tests.engine.merging.reference_rules import ReferenceRefused

__all__ = ["ReferenceRefused", "reference_run"]

Model = Mapping[str, Tensor]
SD1_POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
HOLDING_C = ("trainDifference", "extract")
COSINES = ("cosineA", "cosineB")
DEFAULTS: dict[str, Any] = {
    "calcmode": "normal",
    "alpha": 0.5,
    "beta": 0.25,
    "use_mbw": False,
    "weights_alpha": "",
    "weights_beta": "",
    "elemental": "",
    "adjust": "",
    "opt_value": 0.3,
    "model_C": "",
}


def reference_run(run: Mapping[str, Any], models: Mapping[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The state dict that one run of SuperMerger ends with; ReferenceRefused where it raises instead.

    Args:
        run: the settings, with the field names of the golden manifest.
        models: the state dicts of the models that the run names.
    """
    run = {**DEFAULTS, **run}
    if run["calcmode"] in HOLDING_C:
        run["mode"] = "Add difference"
    if run["dialect"] == "2023" and run["calcmode"] in {"extract", "plus random"}:
        raise ReferenceRefused(f"{run['calcmode']} does not exist yet")
    with torch.random.fork_rng(devices=[]):
        if run.get("torch_seed") is not None:
            torch.manual_seed(run["torch_seed"])
        return _run(run, models)


def _run(run: dict[str, Any], models: Mapping[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    a, b = models[run["model_A"]], models[run["model_B"]]
    c = models[run["model_C"] or run["model_A"]]
    xl = rules.XL_KEY in b
    if run["dialect"] == "head" and not xl:
        raise ReferenceRefused("'BASE' is not in list")
    if "Weight" in run["mode"]:
        held = None
    elif "Add" in run["mode"] and run["calcmode"] not in HOLDING_C:
        b, held = _differences(b, c, run), None
    else:
        held = c
    result = _merged(run, a, b, held, xl)
    for key in b:
        if key not in result and "model" in key and key != SD1_POSITION_IDS:
            result[key] = b[key]
    return _saved(result, run, xl)


def _differences(b: Model, c: Model, run: Mapping[str, Any]) -> dict[str, Tensor]:
    """B - C, as Add difference prepares it."""
    modern = run["dialect"] != "2023"
    found: dict[str, Tensor] = {}
    for key, tensor in b.items():
        if "model" not in key or (modern and "weight" not in key and "bias" not in key):
            found[key] = tensor
        elif key not in c:
            found[key] = torch.zeros_like(tensor, dtype=torch.float16 if modern else tensor.dtype)
        elif tensor.shape != c[key].shape:
            raise ReferenceRefused(f"{key}: B and C differ in shape")
        else:
            difference = formulas.minus(tensor, c[key])
            if modern:
                difference = (formulas.f64(tensor) - formulas.f64(c[key])).to(tensor.dtype)
            found[key] = difference
    return found


def _merged(run: Mapping[str, Any], a: Model, b: Model, c: Model | None, xl: bool) -> dict[str, Tensor]:
    """A's keys after the loop over them, and after what smoothAdd MT does behind it."""
    result = dict(a)
    adjust = rules.adjust_values(run)
    low_high = _cosine_range(run, a, b)
    late: dict[str, float] = {}
    for ordinal, key in enumerate(a):
        ratios = _ratios(run, key, ordinal, b, c, xl)
        if ratios is None:
            continue
        merged = _merge_key(run, key, a, b, c, ratios, low_high)
        if merged is None:
            continue
        if run["calcmode"] == "smoothAdd MT":
            late[key] = ratios[0]
        result[key] = merged if adjust is None else formulas.adjusted(key, merged, adjust, run, xl)
    for key, alpha in late.items():
        result[key] = formulas.smooth_add(result[key], b[key], alpha)
    return result


def _ratios(
    run: Mapping[str, Any], key: str, ordinal: int, b: Model, c: Model | None, xl: bool
) -> tuple[float, float] | None:
    """Alpha and beta of a key; None where the key takes no part."""
    if not ("model" in key and key in b and ("weight" in key or "bias" in key) and (c is None or key in c)):
        return None
    if run["calcmode"] in COSINES and "first_stage_model" in key:
        return None
    if xl:
        blocks = rules.block_xl(key, run)
        if blocks is None:
            return None
        block, extended = blocks
        address = extended if rules.is_extended(run, xl) else rules.IDS_26[rules.IDS_20.index(block)]
    else:
        block = extended = address = rules.block_sd(key, run)
    if rules.is_left_out(key, block, extended, run):
        return None
    alpha, beta = rules.ratios(block, extended, run, xl)
    return rules.elemental_alpha(alpha, key, address, ordinal, run, xl), beta


def _cosine_range(run: Mapping[str, Any], a: Model, b: Model) -> tuple[float, float]:
    if run["calcmode"] not in COSINES:
        return 0.0, 0.0
    keys = [key for key in a if "model" in key and key in b and "first_stage_model" not in key]
    for key in keys:
        if a[key].shape != b[key].shape:
            raise ReferenceRefused(f"{key}: A and B differ in shape")
    return formulas.cosine_range([(a[key], b[key]) for key in keys], run["calcmode"])


def _merge_key(
    run: Mapping[str, Any],
    key: str,
    a: Model,
    b: Model,
    c: Model | None,
    ratios: tuple[float, float],
    low_high: tuple[float, float],
) -> Tensor | None:
    """One key's merged tensor; None where it is passed over, and Adjust with it."""
    wider = _is_wider(key, a[key], b[key], run)
    third = None if c is None else c[key]
    try:
        if run["calcmode"] != "normal":
            return _calculated(run, key, a[key], b[key], third, ratios, low_high)
        if not wider:
            return _normal(run, a[key], b[key], third, ratios)
        result = a[key].clone()
        result[:, 0:4] = _normal(run, result[:, 0:4].clone(), b[key], third, ratios)
    except RuntimeError as error:
        raise ReferenceRefused(f"{key}: {error}") from error
    return result


def _is_wider(key: str, a: Tensor, b: Tensor, run: Mapping[str, Any]) -> bool:
    """Whether A has more input channels than B, as models for inpainting and for pix2pix have."""
    if a.shape == b.shape or a.ndim != b.ndim or a.ndim < 2 or a.shape[:1] + a.shape[2:] != b.shape[:1] + b.shape[2:]:
        return False
    if a.shape[1] == 4 and b.shape[1] in {8, 9}:
        raise ReferenceRefused(f"{key}: A must be the inpainting model")
    if a.shape[1] not in {8, 9} or b.shape[1] != 4:
        return False
    if a.shape[1] == 9 and run["dialect"] == "2023":
        raise ReferenceRefused("'list' object has no attribute 'shape'")
    return True


def _calculated(
    run: Mapping[str, Any],
    key: str,
    a: Tensor,
    b: Tensor,
    c: Tensor | None,
    ratios: tuple[float, float],
    low_high: tuple[float, float],
) -> Tensor | None:
    """What a calc mode other than `normal` makes of a key."""
    (alpha, beta), calcmode = ratios, run["calcmode"]
    result: Tensor | None = a
    if calcmode in COSINES:
        result = formulas.cosine_merge(a, b, alpha, calcmode, low_high, _is_old(run))
    elif calcmode == "smoothAdd":
        result = formulas.smooth_add(a, b, alpha)
    elif calcmode in {"tensor", "tensor2"}:
        result = formulas.tensor_rows(a, b, alpha, beta, calcmode == "tensor2")
    elif calcmode in {"self", "plus random"} and formulas.is_skipped_by_self(key, alpha, run):
        result = None
    elif calcmode == "self":
        result = formulas.times(alpha, a)
    elif calcmode == "plus random":
        result = formulas.plus(a, formulas.times(alpha, formulas.normal_like(a)))
    elif calcmode == "trainDifference" and c is not None:
        result = formulas.train_difference(a, b, c, alpha)
    elif calcmode == "extract" and c is not None:
        result = formulas.extract(a, b, c, alpha, float(run["beta"]), float(run["opt_value"]))
    elif calcmode != "smoothAdd MT":
        raise ValueError(f"no calcmode {calcmode!r} with these models")
    return result


def _is_old(run: Mapping[str, Any]) -> bool:
    return run["dialect"] == "2023" or "use old calc method" in run.get("save_sets", [])


def _normal(run: Mapping[str, Any], a: Tensor, b: Tensor, c: Tensor | None, ratios: tuple[float, float]) -> Tensor:
    (alpha, beta), mode = ratios, run["mode"]
    if "Weight" in mode:
        return formulas.weight_sum(a, b, alpha, _is_old(run))
    if "Add" in mode:
        return formulas.add_difference(a, b, alpha, run)
    assert c is not None
    if "Triple" in mode:
        return formulas.triple_sum(a, b, c, alpha, beta, _is_old(run), run)
    if "Twice" in mode:
        return formulas.sum_twice(a, b, c, alpha, beta, _is_old(run))
    raise ValueError(f"no mode {mode!r}")


def _saved(result: dict[str, Tensor], run: Mapping[str, Any], xl: bool) -> dict[str, Tensor]:
    """What "save model" writes, where the run was saved; else the result as it is."""
    settings = run.get("save_sets", [])
    if not run.get("saved_through_savemodel"):
        return result
    if "fp16" in settings:
        halves = {key for key, tensor in result.items() if "model" in key and tensor.is_floating_point()}
        result = {key: tensor.half() if key in halves else tensor for key, tensor in result.items()}
    if "prune" in settings:
        kept = ("diffusion_model.", "first_stage_model.", "conditioner." if xl else "cond_stage_model.")
        result = {key: tensor for key, tensor in result.items() if any(word in key for word in kept)}
    return result
