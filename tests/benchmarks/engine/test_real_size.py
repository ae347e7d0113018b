"""The writer of real-size checkpoints, at tiny widths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.architecture.layout import shapes
from engine.architecture.widths import SD1, Widths
from engine.checkpoints.checkpoint import open_checkpoint
from tests.benchmarks.engine.real_size import write_real_size
from tests.engine.architecture.test_layout import TINY_SDXL

TINY = replace(SD1, unet=(32, 64, 64, 64), vae=(32, 32, 64, 64), text=64, text_layers=2, text_hidden=128)


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
def test_a_file_has_the_names_the_shapes_and_plausible_values(tmp_path: Path, dtype: str) -> None:
    path = write_real_size(tmp_path / "a.safetensors", seed=1, dtype=dtype, widths=TINY)
    assert open_checkpoint(path).widths == TINY
    found = load_file(path)
    assert found["cond_stage_model.transformer.text_model.embeddings.position_ids"].tolist() == [list(range(77))]
    norm, weight = "out.0.weight", "input_blocks.1.0.in_layers.2.weight"
    assert abs(float(found[f"model.diffusion_model.{norm}"].float().mean()) - 1) < 0.02
    assert 0.015 < float(found[f"model.diffusion_model.{weight}"].float().std()) < 0.025


@pytest.mark.parametrize("widths", [TINY, TINY_SDXL], ids=["sd1", "sdxl"])
def test_two_seeds_are_alike_and_differ_everywhere(tmp_path: Path, widths: Widths) -> None:
    a, b = (
        load_file(write_real_size(tmp_path / f"{n}.safetensors", seed=n, dtype="fp32", widths=widths)) for n in (1, 2)
    )
    assert all(a[key].shape == b[key].shape and not torch.equal(a[key], b[key]) for key in shapes(widths))
    flat = [torch.cat([values[key].flatten() for key in shapes(widths)]) for values in (a, b)]
    assert float((flat[0] == flat[1]).float().mean()) < 1e-4
    assert 0.005 < float((flat[0] - flat[1]).std()) < 0.01


def test_tensors_of_one_file_differ(tmp_path: Path) -> None:
    found = load_file(write_real_size(tmp_path / "a.safetensors", seed=1, widths=TINY))
    block = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1"
    assert not torch.equal(found[f"{block}.to_q.weight"], found[f"{block}.to_k.weight"])
