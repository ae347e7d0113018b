"""The reference's reading of keys and texts: blocks, ratios, elemental rules, Include/Exclude and Adjust.

Everything is written as the rules are told: substring tests, regular expressions and lists, read anew for every key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

IDS_26 = ["BASE", *(f"IN{i:02}" for i in range(12)), "M00", *(f"OUT{i:02}" for i in range(12))]
IDS_20 = ["BASE", *(f"IN{i:02}" for i in range(9)), "M00", *(f"OUT{i:02}" for i in range(9))]
IDS_110 = [
    *("CLIPL", "CLIPG", "IN0", "IN00", "IN10", "IN20", "IN30", "IN40", "IN41", "IN410", "IN411"),
    *("IN50", "IN51", "IN510", "IN511", "IN60"),
    *("IN70", "IN71", *(f"IN71{i}" for i in range(10)), "IN80", "IN81", *(f"IN81{i}" for i in range(10))),
    *("MID00", "MID10", *(f"MID10{i}" for i in range(10)), "MID20"),
    *("OUT00", "OUT01", *(f"OUT01{i}" for i in range(10)), "OUT10", "OUT11", *(f"OUT11{i}" for i in range(10))),
    *("OUT20", "OUT21", *(f"OUT21{i}" for i in range(10)), "OUT22"),
    *("OUT30", "OUT31", "OUT310", "OUT311", "OUT40", "OUT41", "OUT410", "OUT411"),
    *("OUT50", "OUT51", "OUT510", "OUT511", "OUT52", "OUT60", "OUT70", "OUT80", "OUT9", "TIME", "LABEL", "VAE"),
]
XL_KEY = "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.weight"
NAMED_XL = {
    "conditioner.embedders.0.": ("BASE", "CLIPL"),
    "conditioner.embedders.1.": ("BASE", "CLIPG"),
    "first_stage_model": ("BASE", "VAE"),
    "model.diffusion_model.out.": ("OUT08", "OUT9"),
}
UNET = "model.diffusion_model."
ADJUST_KEYS = [
    UNET + name
    for name in (
        "input_blocks.0.0.weight",
        "input_blocks.0.0.bias",
        "out.0.weight",
        "out.0.bias",
        "out.2.weight",
        "out.2.bias",
    )
]


class ReferenceRefused(Exception):  # noqa: N818 - the name says what happened, not what is wrong
    """SuperMerger raises on this run."""


def is_head(run: Mapping[str, Any]) -> bool:
    """Whether the run is of the newest dialect, patched or not."""
    return run["dialect"] in {"head", "head_patched"}


def block_sd(key: str, run: Mapping[str, Any]) -> str:
    """The block of a key of SD1 or SD2; the first rule that fits."""
    if "time_embed" in key:
        return "IN00" if is_head(run) else "OUT11"
    if ".out." in key:
        return "OUT11"
    if match := re.search(r"\.input_blocks\.(\d+)\.", key):
        return f"IN{int(match[1]):02}"
    if re.search(r"\.middle_block\.(\d+)\.", key):
        return "M00"
    if match := re.search(r"\.output_blocks\.(\d+)\.", key):
        return f"OUT{int(match[1]):02}"
    return "BASE"


def block_xl(key: str, run: Mapping[str, Any]) -> tuple[str, str] | None:
    """The block of a key of SDXL in the 20-form and in the 110-form; None where it is never merged."""
    if "weight" not in key and "bias" not in key:
        return None
    if "label_emb" in key or "time_embed" in key:
        return ("IN00", "LABEL" if "label_emb" in key else "TIME") if is_head(run) else None
    for part, blocks in NAMED_XL.items():
        if part in key:
            return blocks
    return _numbered_block_xl(key)


def _numbered_block_xl(key: str) -> tuple[str, str] | None:
    found = re.search(r"\.transformer_blocks\.(\d+)\.", key)
    transformer = found[1] if found else ""
    if match := re.search(r"model\.diffusion_model\.input_blocks\.(\d+)\.(\d+)\.", key):
        return f"IN0{match[1]}", f"IN{match[1]}{match[2]}{transformer}"
    if match := re.search(r"model\.diffusion_model\.middle_block\.(\d+)\.", key):
        return "M00", f"MID{match[1]}0{transformer}"
    if match := re.search(r"model\.diffusion_model\.output_blocks\.(\d+)\.(\d+)\.", key):
        return f"OUT0{match[1]}", f"OUT{match[1]}{match[2]}{transformer}"
    return None


def numbers(text: str) -> list[float]:
    """The numbers of a ratio text. Random letters and preset names are resolved before a run gets here."""
    return [number(part) for part in text.split(",")]


def number(text: str) -> float:
    """A Python float, or a refusal."""
    try:
        return float(text)
    except ValueError as error:
        raise ReferenceRefused(str(error)) from error


def uses_beta_text(run: Mapping[str, Any]) -> bool:
    """Whether the second ratio text is read at all."""
    return "Triple" in run["mode"] or "Twice" in run["mode"] or run["calcmode"] in {"tensor", "tensor2"}


def is_extended(run: Mapping[str, Any], xl: bool) -> bool:
    """Whether the 110 ids are in force."""
    if not (is_head(run) and xl):
        return False
    if "use extended XL" in run.get("esettings", []):
        return True
    return bool(run["use_mbw"]) and len(run["weights_alpha"].split(",")) == len(IDS_110)


def ratios(block: str, extended_block: str, run: Mapping[str, Any], xl: bool) -> tuple[float, float]:
    """Alpha and beta of a block, before elemental rules."""
    if not run["use_mbw"]:
        return float(run["alpha"]), float(run["beta"])
    alphas = numbers(run["weights_alpha"])
    if not uses_beta_text(run):
        return _of_block(alphas, block, extended_block, run, xl), float(run["beta"])
    betas = numbers(run["weights_beta"])
    if is_head(run) and xl and len(alphas) == len(IDS_110):
        return _of_block(betas, block, extended_block, run, xl), betas[0]
    return _of_block(alphas, block, extended_block, run, xl), _of_block(betas, block, extended_block, run, xl)


def _of_block(values: list[float], block: str, extended_block: str, run: Mapping[str, Any], xl: bool) -> float:
    if is_head(run) and xl and len(values) == len(IDS_110):
        index = 0 if extended_block in {"CLIPL", "VAE"} else IDS_110.index(extended_block)
    else:
        if xl and len(values) == len(IDS_26):
            values = [value for value, name in zip(values, IDS_26, strict=True) if name in IDS_20]
        index = (IDS_20 if xl else IDS_26).index(block)
    if index >= len(values):
        raise ReferenceRefused(f"{len(values)} numbers, but {block} is number {index}")
    return values[index]


def segments(run: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The elemental rules: what has exactly two colons."""
    text = run.get("elemental", "").replace(run["calcmode"] + ",", "")
    parts = [part.lstrip(" ") for part in text.replace("\n", ",").split(",")]
    found: list[tuple[str, str, str]] = []
    for part in parts:
        if part.count(":") == 2:
            blocks, elements, ratio = part.split(":")
            found.append((blocks, elements, ratio))
    return found


def elemental_alpha(alpha: float, key: str, block: str, ordinal: int, run: Mapping[str, Any], xl: bool) -> float:
    """Alpha after the elemental rules; `block` is the id that rules address, the last rule that applies wins."""
    extended = is_extended(run, xl)
    for blocks, elements, ratio in segments(run):
        if _block_applies(blocks, key, block, run, extended) and _element_applies(elements, key, block, run):
            alpha = _elemental_ratio(ratio, ordinal, run)
    return alpha


def _block_applies(field: str, key: str, block: str, run: Mapping[str, Any], extended: bool) -> bool:
    if field == "":
        return True
    inverted, tokens = _tokens(field)
    names = [name for token in tokens for name in _range(token, IDS_110 if extended else IDS_26)]
    if is_head(run):
        return any(name == block for name in names) != inverted
    return any(name in key + block for name in names) != inverted


def _element_applies(field: str, key: str, block: str, run: Mapping[str, Any]) -> bool:
    if field == "":
        return True
    inverted, tokens = _tokens(field)
    text = key if is_head(run) else key + block
    return any(token in text for token in tokens) != inverted


def _tokens(field: str) -> tuple[bool, list[str]]:
    tokens = field.split(" ")
    return (True, tokens[1:]) if tokens[0] == "NOT" else (False, tokens)


def _range(token: str, ids: Sequence[str]) -> list[str]:
    if "-" not in token:
        return [token]
    first, _, last = token.partition("-")
    if first not in ids or last not in ids:
        raise ReferenceRefused(f"{token!r} is not a range of blocks")
    low, high = sorted([ids.index(first), ids.index(last)])
    return list(ids[low : high + 1])


def _elemental_ratio(text: str, ordinal: int, run: Mapping[str, Any]) -> float:
    if text not in {"R", "U", "X"}:
        return number(text)
    rolled = np.random.RandomState(run["rand_seed"]).rand(2500 if run["dialect"] == "2023" else 3000)
    if ordinal + 100 >= len(rolled):
        raise ReferenceRefused(f"no random number for key {ordinal}")
    roll = float(rolled[ordinal + 100])
    return round({"R": roll, "U": 1 - 2 * roll, "X": 1 - roll}[text], 3)


def is_left_out(key: str, block: str, extended_block: str, run: Mapping[str, Any]) -> bool:
    """Whether Include/Exclude leaves a key as it is."""
    setting = run.get("include_exclude") or {"mode": "Off"}
    if setting["mode"] == "Off" or run["dialect"] == "2023" or not (setting["blocks"] or setting["elements"]):
        return False  # with nothing ticked, Include too merges everything
    hits = [name in {block, extended_block} if is_head(run) else name == block for name in setting["blocks"]]
    hits.append("Adjust" in setting["blocks"] and key in ADJUST_KEYS)
    hits.append("VAE" in setting["blocks"] and "first_stage_model" in key)
    hits += [element in key for element in setting["elements"].split(",") if element]
    hit = any(hits) if is_head(run) else sum(hits) % 2 == 1
    return (setting["mode"] == "Include") != hit


def adjust_values(run: Mapping[str, Any]) -> list[float] | None:
    """The fields of the Adjust text, filled up with zeros; None where it is off."""
    text = run.get("adjust", "").replace(" ", "")
    if "," not in text or not text.strip("0,"):
        return None
    fields = 7 if run["dialect"] == "2023" else 8
    values = [_number_or_zero(part) for part in text.split(",")]
    return [*values, *[0.0] * fields][:fields]


def _number_or_zero(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
