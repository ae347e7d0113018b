from __future__ import annotations

from collections import Counter

import pytest

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.errors import RecipeError
from engine.recipes.blocks import (
    ADJUST_FIELDS,
    BLOCKS,
    ELEMENTS,
    EXTENDED_BLOCKS,
    UNET_BLOCKS,
    XL_BLOCKS,
    Site,
    block_of,
    is_merged,
    place_of,
)
from engine.recipes.dialects import DEFAULT_DIALECT, DIALECTS, dialect_of
from engine.recipes.sites import self_reach
from tests.engine.merging.golden import block_rows

ARCHES: dict[str, FamilyName] = {"sd15": "sd1", "sd2": "sd2", "sdxl": "sdxl"}
UNMERGED = {"-", "Not Merge", ""}


def test_the_blocks_are_supermergers() -> None:
    assert (len(BLOCKS), len(XL_BLOCKS), len(EXTENDED_BLOCKS)) == (26, 20, 110)
    assert BLOCKS[:2] == ("BASE", "IN00")
    assert BLOCKS[13:15] == ("M00", "OUT00")
    assert BLOCKS[-1] == "OUT11"
    assert BLOCKS[1:] == UNET_BLOCKS
    assert len(ADJUST_FIELDS) == 8


@pytest.mark.parametrize("dialect", ["2023", "classic", "head_patched"])
def test_every_key_has_supermergers_block(dialect: str) -> None:
    """SD1.5, SD2 and SDXL; ``head`` has the 110 ids of SDXL too."""
    column = "block_head" if dialect == "head_patched" else "block_2023_classic"
    wrong: list[tuple[str, object]] = []
    for row in block_rows():
        place = place_of(row["key"], ARCHES[row["arch"]], dialect_of(dialect))
        block = row[column] if row[column] in (*BLOCKS, *XL_BLOCKS) else None
        if (place and place[0]) != block:
            wrong.append((row["key"], place))
        if place and row["arch"] == "sdxl" and dialect == "head_patched" and place[1] != row["ext_block_head"]:
            wrong.append((row["key"], place))
    assert not wrong
    assert len(block_rows()) == 1131 + 1228 + 2515


def test_every_extended_block_but_one_has_keys() -> None:
    places = (place_of(row["key"], "sdxl", DIALECTS["head"]) for row in block_rows() if row["arch"] == "sdxl")
    assert {*EXTENDED_BLOCKS} - {place[1] for place in places if place} == {"IN0"}


def test_the_counts_of_sd15_are_supermergers() -> None:
    counts = Counter(block_of(key) for key in shapes(REAL["sd1"]))
    assert counts["BASE"] == 196 + 248
    assert (counts["IN00"], counts["M00"], counts["OUT05"], counts["OUT11"]) == (2, 46, 40, 46)


def test_self_skips_since_november_2023() -> None:
    def reached(dialect: str) -> int:
        return sum(len(self_reach(Site(block=block, element=""), "sd1", dialect)) for block in BLOCKS)

    assert reached("classic") == 748
    assert reached("2023") == 1130


def test_buffers_are_not_merged() -> None:
    assert not is_merged("cond_stage_model.transformer.text_model.embeddings.position_ids")
    assert not is_merged("alphas_cumprod")
    assert not is_merged("model_ema.decay")
    assert is_merged("first_stage_model.decoder.conv_in.bias")


def test_a_site_reads_back_and_sorts() -> None:
    site = Site.parse("OUT05:attn1")
    assert site == Site(block="OUT05", element="attn1")
    assert Site.parse(str(site)) == site
    assert min(Site.parse("OUT05:attn2"), site, Site.parse("BASE:")).block == "BASE"


@pytest.mark.parametrize(("dialect", "count"), [("classic", 3), ("head_patched", 3), ("2023", 5)])
def test_a_site_reaches_what_its_dialect_multiplies(dialect: str, count: int) -> None:
    found = self_reach(Site.parse("OUT05:attn1"), "sd1", dialect)
    assert len(found) == count
    assert all("output_blocks.5." in key for key in found)


def test_every_offered_element_reaches_something() -> None:
    for element in ELEMENTS:
        assert any(self_reach(Site(block=block, element=element), "sd1", "classic") for block in UNET_BLOCKS), element


@pytest.mark.parametrize("text", ["OUT05", "OUT12:attn1", "out05:attn1", "OUT05:Attn1", "OUT05:at tn", "OUT05:5", ":x"])
def test_no_site(text: str) -> None:
    with pytest.raises(RecipeError):
        Site.parse(text)


def test_ff_is_part_of_diffusion() -> None:
    with pytest.raises(RecipeError, match=r"'ff' is part of every UNet key.*ff\.net"):
        Site.parse("OUT05:ff")


def test_dialects_have_defaults_and_names() -> None:
    assert DEFAULT_DIALECT == {"sd1": "classic", "sd2": "classic", "sdxl": "head"}
    assert all(family in DIALECTS[name].families for family, name in DEFAULT_DIALECT.items())
    with pytest.raises(
        RecipeError, match="there is no dialect 'new'; known here: 2023, classic, head, head_patched, webui"
    ):
        dialect_of("new")
