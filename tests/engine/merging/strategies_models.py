"""Small random models with real key names: a few dozen keys of each architecture, no dimension above four.

Two exceptions in size: one weight has 104 columns, as tensor2 looks at more than 100, and position ids are a short row.
"""

from __future__ import annotations

from functools import cache
from zlib import crc32

import torch
from hypothesis import strategies as st
from torch import Tensor

from tests.engine.merging.golden import block_rows
from tests.engine.merging.reference_rules import ADJUST_KEYS, XL_KEY

ARCHES = ("sd15", "sd2", "sdxl")
KEYS = 65
WIDE = "model.diffusion_model.input_blocks.0.0.weight"
COLUMNS = 104
ALWAYS = (
    *("position_ids", "positional_embedding", "text_projection", "logit_scale", "time_embed.0.", "label_emb.0.0."),
    *("final_layer_norm.bias", "ln_final.weight", "first_stage_model.quant_conv", "encoder.mid.attn_1.q.weight"),
    *("input_blocks.1.0.in_layers.0.", "input_blocks.3.0.op.weight", "middle_block.0.emb_layers.1.weight"),
    *("middle_block.1.proj_out.weight", "output_blocks.5.1.norm.weight", "output_blocks.5.0.skip_connection.weight"),
    *("output_blocks.5.1.transformer_blocks.0.attn1", "output_blocks.5.1.transformer_blocks.0.ff.net.2."),
    *("output_blocks.8.0.out_layers.0.weight", "output_blocks.2.1.transformer_blocks.0.norm1.weight"),
)
BUFFERS = (
    *("alphas_cumprod", "betas", "model_ema.decay", "model_ema.num_updates"),
    *("model_ema.diffusion_modeltime_embed0weight", "model_ema.diffusion_modelinput_blocks110attn1to_qweight"),
)
ONLY = {
    "A": ("model.diffusion_model.only_in_A.weight", "zz_only_in_A.weight"),
    "B": ("model.diffusion_model.only_in_B.weight", "model_note_in_B", "zz_only_in_B.weight"),
    "C": ("model.diffusion_model.only_in_C.weight",),
}
DTYPES = {"fp16": torch.float16, "fp32": torch.float32}
COMBINATIONS = ["fp16 fp16 fp16", "fp32 fp32 fp32", "fp16 fp16 fp16", "fp32 fp32 fp32"]
COMBINATIONS += ["fp16 fp32 fp32", "fp32 fp16 fp16", "fp32 fp32 fp16", "fp16 fp32 fp16"]


def rarely(once_in: int) -> st.SearchStrategy[bool]:
    """True about once in so many draws; not an end of the range, which hypothesis likes to draw."""
    return st.integers(0, once_in - 1).map(lambda drawn: drawn == once_in // 2)


@cache
def keys_of(arch: str) -> tuple[str, ...]:
    """The chosen keys, in the block map's order: what rules care about, one of every block, then every n-th."""
    rows = [row for row in block_rows() if row["arch"] == arch]
    fixed = {row["key"] for row in rows if row["key"] in ADJUST_KEYS or row["key"] == XL_KEY or _is_always(row["key"])}
    for block in {row["block_head"] for row in rows}:
        inside = [row["key"] for row in rows if row["block_head"] == block]
        fixed.add(inside[len(inside) // 2])
    rest = [row["key"] for row in rows if row["key"] not in fixed]
    chosen = fixed | set(rest[:: len(rest) // max(1, KEYS - len(fixed))])
    buffers = () if arch == "sdxl" else BUFFERS
    return *(row["key"] for row in rows if row["key"] in chosen), *buffers


def _is_always(key: str) -> bool:
    return any(part in key for part in ALWAYS)


def shape_of(key: str) -> tuple[int, ...]:
    """A small shape of the right number of dimensions; the same for a key in every model."""
    sizes = crc32(key.encode())
    rows, columns, kernel = 1 + sizes % 4, 1 + sizes // 4 % 4, (1, 3)[sizes // 16 % 2]
    if key in ADJUST_KEYS:
        return {"input_blocks.0.0.weight": (3, 4, 3, 3), "out.2.weight": (4, 3, 3, 3), "out.2.bias": (4,)}.get(
            key.removeprefix("model.diffusion_model."), (3,)
        )
    if key.endswith(("logit_scale", "model_ema.decay", "model_ema.num_updates")):
        return ()
    if key.endswith("position_ids"):
        return 1, 7
    if key.endswith("ff.net.2.weight"):
        return rows, COLUMNS
    if "weight" not in key or any(part in key for part in ("norm", "ln_", "layers.0.weight")):
        return (rows, columns) if "embedding" in key or "projection" in key else (rows + columns,)
    convolution = any(part in key for part in ("layers.2.", "layers.3.", "conv", "op.", "skip_connection", "attn_1."))
    return (rows, columns, kernel, kernel) if convolution else (rows, columns)


@st.composite
def models(draw: st.DrawFn, arch: str, *, wide: bool = False) -> dict[str, dict[str, Tensor]]:
    """Models A, B and C: a common base plus noise, with equal, zero and missing tensors among them.

    Args:
        draw: hypothesis's.
        arch: one of ARCHES.
        wide: whether one of them may have the input convolution of a model for inpainting or pix2pix.
    """
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    keys = keys_of(arch)
    some = st.lists(st.sampled_from(keys), unique=True, max_size=3)
    everything = dict.fromkeys([*keys, *ONLY["A"], *ONLY["B"], *ONLY["C"]])
    base = {key: torch.randn(shape_of(key), generator=generator) * 0.5 for key in everything}
    ours, theirs = draw(st.sampled_from([(4, 4)] * 12 + [(9, 4), (8, 4), (4, 9), (9, 9)])) if wide else (4, 4)
    found: dict[str, dict[str, Tensor]] = {}
    for name, dtype in zip("ABC", draw(st.sampled_from(COMBINATIONS)).split(), strict=True):
        missing = set(draw(some)) - {XL_KEY}
        odd, zero = set(draw(some)), set(draw(some)) if draw(rarely(5)) else set()
        found[name] = {}
        for key in (*keys, *ONLY[name]):
            value = base[key] + 0.2 * torch.randn(shape_of(key), generator=generator) ** 3
            channels = ours if name == "A" else theirs
            if key == WIDE and channels != 4:
                value = torch.randn(3, channels, 3, 3, generator=generator)
            value = torch.zeros_like(value) if key in zero else value
            if key not in missing:
                found[name][key] = _as_stored(key, value, DTYPES[dtype], key in odd)
    _share(found, set(draw(some)), set(draw(some)))
    return found


def _as_stored(key: str, value: Tensor, dtype: torch.dtype, odd: bool) -> Tensor:
    if key.endswith(("position_ids", "num_updates")):
        return (value * 10).to(torch.int64)
    other = {torch.float16: torch.float32, torch.float32: torch.float16}[dtype]
    return value.to(other if odd else dtype)


def _share(found: dict[str, dict[str, Tensor]], from_a: set[str], from_c: set[str]) -> None:
    """Give B some tensors of A and some of C, as they are."""
    for keys, name in ((from_a, "A"), (from_c, "C")):
        for key in keys:
            if key in found["B"] and key in found[name] and found["B"][key].shape == found[name][key].shape:
                found["B"][key] = found[name][key].clone()
