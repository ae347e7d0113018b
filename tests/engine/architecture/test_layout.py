"""The layouts against the key table of real files and the published numbers of parameters."""

from __future__ import annotations

import gzip
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest

from engine.architecture.layout import UNET, VAE, Shape, Widths, shapes
from engine.architecture.widths import REAL, SD1, SD2, SDXL, FamilyName
from tests.engine.file_buffers import buffers

TABLE = Path(__file__).parents[2] / "golden" / "merges" / "block_map.tsv.gz"
ARCHITECTURES: dict[FamilyName, str] = {"sd1": "sd15", "sd2": "sd2", "sdxl": "sdxl"}
TINY_SDXL = Widths(
    family="sdxl", unet=(32, 64, 96), depths=(0, 1, 2), vector=96 + 6 * 32, vae=(32, 32, 64, 64),
    text=64, text_layers=2, text_hidden=128, text_g=96, text_g_layers=3, text_g_hidden=192, vocabulary=50,
)  # fmt: skip


def real_keys(family: FamilyName) -> set[str]:
    """The keys of a real file of this family, buffers of the noise schedule left out."""
    rows = (line.split("\t") for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines())
    return {row[1] for row in rows if row[0] == ARCHITECTURES[family]}


def parameters(found: dict[str, Shape], prefix: str) -> int:
    return sum(prod(shape) for key, shape in found.items() if key.startswith(prefix))


@pytest.mark.parametrize(("family", "count"), [("sd1", 1131), ("sd2", 1228), ("sdxl", 2515)])
def test_the_keys_are_those_of_real_files(family: FamilyName, count: int) -> None:
    keys = real_keys(family)
    positions = {key for key in keys if key.endswith("position_ids")}
    assert len(keys) == count
    assert set(shapes(REAL[family])) == keys - positions
    assert positions <= set(buffers(REAL[family]))


@pytest.mark.parametrize(
    ("widths", "prefix", "count"),
    [
        (SD1, UNET, 859_520_964),
        (SD2, UNET, 865_910_724),
        (SDXL, UNET, 2_567_463_684),
        (SD1, VAE, 83_653_863),
        (SDXL, VAE, 83_653_863),
        (SD1, "cond_stage_model.", 123_060_480),
        (SD2, "cond_stage_model.", 354_032_641),
        (SDXL, "conditioner.embedders.0.", 123_060_480),
        (SDXL, "conditioner.embedders.1.", 694_659_841),
    ],
)
def test_the_numbers_of_parameters_are_the_published_ones(widths: Widths, prefix: str, count: int) -> None:
    assert parameters(shapes(widths), prefix) == count


def test_shapes_that_differ_between_the_families() -> None:
    first, third = "input_blocks.1.1.proj_in.weight", "input_blocks.4.1.proj_in.weight"
    assert shapes(SD1)[UNET + first] == (320, 320, 1, 1)
    assert shapes(SD2)[UNET + first] == (320, 320)
    assert UNET + first not in shapes(SDXL)
    assert shapes(SDXL)[UNET + third] == (640, 640)
    assert shapes(SDXL)[f"{UNET}label_emb.0.0.weight"] == (1280, 2816)
    assert shapes(SDXL)[f"{UNET}middle_block.1.transformer_blocks.9.attn2.to_k.weight"] == (1280, 2048)
    block = "conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_weight"
    assert shapes(SDXL)[block] == (3840, 1280)
    assert shapes(SD2)["cond_stage_model.model.logit_scale"] == ()


@pytest.mark.parametrize("inputs", [4, 8, 9])
def test_only_the_first_convolution_knows_how_many_channels_come_in(inputs: int) -> None:
    plain, other = shapes(SD1), shapes(replace(SD1, inputs=inputs))
    changed = {key for key in plain if other[key] != plain[key]}
    assert changed == (set() if inputs == 4 else {f"{UNET}input_blocks.0.0.weight"})
    assert other[f"{UNET}input_blocks.0.0.weight"] == (320, inputs, 3, 3)


def test_tiny_widths_bring_the_same_kinds_of_keys() -> None:
    found = shapes(TINY_SDXL)
    assert found[f"{UNET}output_blocks.5.2.conv.weight"] == (64, 64, 3, 3)
    assert found[f"{UNET}output_blocks.0.0.in_layers.2.weight"] == (96, 192, 3, 3)
    assert found[f"{UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"] == (64, 160)
    assert found["conditioner.embedders.1.model.text_projection"] == (96, 96)
    assert len(found) < len(shapes(SDXL))


def test_buffers_are_named_with_shape_and_dtype() -> None:
    ids = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    assert (buffers(SD1)[ids].shape, buffers(SD1)[ids].dtype) == ((1, 77), "I64")
    assert (buffers(SD1)["betas"].shape, buffers(SD2)["alphas_cumprod"].dtype) == ((1000,), "F32")
    assert not any(key.endswith("position_ids") for key in buffers(SD2))
    assert {"v_pred", "ztsnr", "denoiser.sigmas"} <= set(buffers(SDXL))
    assert not any(set(buffers(widths)) & set(shapes(widths)) for widths in REAL.values())


def test_widths_say_what_they_are() -> None:
    assert str(SD1) == "UNet 320,640,1280,1280, VAE 128,256,512,512, text 768 x 12 layers"
    assert str(SDXL) == (
        "UNet 320,640,1280 with depths 0,2,10, VAE 128,256,512,512, text 768 x 12 and 1280 x 32 layers"
    )
    assert (SD1.context, SD2.context, SDXL.context) == (768, 1024, 2048)
