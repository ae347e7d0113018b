"""The numbers in use for working memory are those that networks of real size count."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from dataclasses import replace

import pytest
import torch

from engine.architecture.widths import SD1, SDXL
from engine.footprint.activations import (
    DECODE_ELEMENTS,
    ENCODE_ELEMENTS,
    UNET_ELEMENTS,
    decode_bytes,
    encode_bytes,
    unet_bytes,
)
from tests.benchmarks.engine.count_activations import unet_elements, vae_elements

HALF = torch.float16


@pytest.fixture(autouse=True)
def _diffusers_is_quiet() -> Generator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(("family", "side"), [("sd1", 512), ("sdxl", 1024)])
def test_the_unet_takes_what_is_counted(family: str, side: int) -> None:
    counted = unet_elements(family, side, side, 2, HALF)  # pyright: ignore[reportArgumentType]
    assert counted == pytest.approx(UNET_ELEMENTS[family], rel=0.01)  # pyright: ignore[reportArgumentType]


def test_the_vae_takes_what_is_counted() -> None:
    assert vae_elements(256, 320, 1, HALF, encode=False) == pytest.approx(DECODE_ELEMENTS, rel=0.01)
    assert vae_elements(256, 320, 2, torch.float32, encode=True) == pytest.approx(ENCODE_ELEMENTS, rel=0.01)


def test_bytes_grow_with_the_area_the_batch_and_the_size_of_a_number() -> None:
    once = unet_bytes(SDXL, "fp16", 1024, 1024, 1)
    assert unet_bytes(SDXL, "fp16", 1024, 1024, 8) == 8 * once
    assert unet_bytes(SDXL, "fp32", 1024, 1024, 1) == 2 * once
    assert unet_bytes(SDXL, "fp16", 2048, 1024, 1) == 2 * once
    assert decode_bytes(SD1, "fp32", 512, 512, 2) == pytest.approx(4 * decode_bytes(SD1, "bf16", 512, 512), abs=4)
    assert encode_bytes(SD1, "fp32", 512, 512) < decode_bytes(SD1, "fp32", 512, 512)
    assert decode_bytes(replace(SD1, vae=(32, 64, 64, 64)), "fp32", 64, 64) == decode_bytes(SD1, "fp32", 32, 32)
