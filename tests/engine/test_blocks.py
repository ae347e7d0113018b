from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from engine.blocks import ADJUST_FIELDS, BLOCKS, ELEMENTS, UNET_BLOCKS, Site, block_of, is_merged, self_applies
from engine.errors import RecipeError
from engine.layout import Widths, self_reach, shapes

BLOCK_MAP = Path(__file__).parent.parent / "golden" / "supermerger" / "block_map_sd15.tsv.gz"
ATTENTION = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1"


def test_the_blocks_are_supermergers_26() -> None:
    assert len(BLOCKS) == 26
    assert BLOCKS[:2] == ("BASE", "IN00")
    assert BLOCKS[13:15] == ("M00", "OUT00")
    assert BLOCKS[-1] == "OUT11"
    assert BLOCKS[1:] == UNET_BLOCKS
    assert len(ADJUST_FIELDS) == 8


def test_every_sd15_key_has_supermergers_block() -> None:
    rows = [line.split("\t") for line in gzip.decompress(BLOCK_MAP.read_bytes()).decode().splitlines()]
    assert len(rows) == 1131
    wrong = [(key, block, block_of(key)) for key, block in rows if (block_of(key) if is_merged(key) else "-") != block]
    assert not wrong


def test_the_layout_is_sd15s_with_supermergers_counts() -> None:
    keys = shapes(Widths())
    counts = Counter(block_of(key) for key in keys)
    assert counts["BASE"] == 196 + 248
    assert counts["IN00"] == 2
    assert counts["M00"] == 46
    assert counts["OUT05"] == 40
    assert counts["OUT11"] == 46
    assert sum(self_applies(key) for key in keys) == 748


def test_buffers_are_not_merged() -> None:
    assert not is_merged("cond_stage_model.transformer.text_model.embeddings.position_ids")
    assert not is_merged("alphas_cumprod")
    assert not is_merged("model_ema.decay")
    assert is_merged("first_stage_model.decoder.conv_in.bias")


@pytest.mark.parametrize(("tail", "applies"), [("to_q.weight", True), ("to_out.0.weight", False)])
def test_a_self_step_skips_output_projections(tail: str, applies: bool) -> None:
    assert self_applies(f"{ATTENTION}.{tail}") is applies


def test_a_site_reads_back_and_sorts() -> None:
    site = Site.parse("OUT05:attn1")
    assert site == Site(block="OUT05", element="attn1")
    assert Site.parse(str(site)) == site
    assert min(Site.parse("OUT05:attn2"), site, Site.parse("BASE:")).block == "BASE"


def test_a_site_matches_by_block_and_part_of_the_name() -> None:
    site = Site.parse("OUT05:attn1")
    assert site.matches(f"{ATTENTION}.to_q.weight")
    assert not site.matches(f"{ATTENTION}.to_q.weight".replace("output_blocks.5", "output_blocks.6"))
    assert len(self_reach(site)) == 3


def test_every_offered_element_reaches_something() -> None:
    for element in ELEMENTS:
        assert any(self_reach(Site(block=block, element=element)) for block in UNET_BLOCKS), element


@pytest.mark.parametrize("text", ["OUT05", "OUT12:attn1", "out05:attn1", "OUT05:Attn1", "OUT05:at tn", "OUT05:5", ":x"])
def test_no_site(text: str) -> None:
    with pytest.raises(RecipeError):
        Site.parse(text)


def test_ff_is_part_of_diffusion() -> None:
    with pytest.raises(RecipeError, match=r"'ff' is part of every UNet key.*ff\.net"):
        Site.parse("OUT05:ff")
