"""Which block weight each tool takes for a tensor, against what is known of the tools, over all the real names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.exports.ratio_tools.block_slots import POSITIONS, chattiori_slot, mbw_slot
from engine.exports.ratio_tools.model_mixer_stages import EXTRA, mixer_slot

UNET = "model.diffusion_model."
SD1_COUNTS = {
    "IN00": 2, "IN01": 36, "IN02": 36, "IN03": 2, "IN04": 38, "IN05": 36, "IN06": 2, "IN07": 38, "IN08": 36, "IN09": 2,
    "IN10": 10, "IN11": 10, "M00": 46, "OUT00": 12, "OUT01": 12, "OUT02": 14, "OUT03": 38, "OUT04": 38, "OUT05": 40,
    "OUT06": 38, "OUT07": 38, "OUT08": 40, "OUT09": 38, "OUT10": 38, "OUT11": 38,
}  # fmt: skip
"""Tensors of each block, without the four of time_embed and the four of the output layer."""


def counts(slot_of: Callable[[str], str | None], family: FamilyName) -> Counter[str | None]:
    return Counter(map(slot_of, shapes(REAL[family])))


def test_meh_and_bbc_mc_give_time_embed_to_in00_and_all_else_to_the_base() -> None:
    found = counts(mbw_slot, "sd1")
    assert {slot: found[slot] for slot in SD1_COUNTS} == SD1_COUNTS | {"IN00": 2 + 4, "OUT11": 38 + 4}
    assert found["BASE"] == 196 + 248
    assert mbw_slot(POSITIONS) is None
    assert mbw_slot("alphas_cumprod") is None
    assert counts(mbw_slot, "sdxl")["IN09"] == 0
    assert mbw_slot(f"{UNET}label_emb.0.0.weight") == "BASE"
    assert mbw_slot(f"{UNET}out.2.bias") == "OUT11"


def test_chattiori_gives_time_embed_to_the_last_block_and_keeps_the_vae() -> None:
    found = counts(lambda key: chattiori_slot(key, "sd1"), "sd1")
    assert {slot: found[slot] for slot in SD1_COUNTS} == SD1_COUNTS | {"OUT11": 38 + 4 + 4}
    assert (found["BASE"], found[None]) == (196, 248)


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (f"{UNET}time_embed.0.weight", None),
        (f"{UNET}label_emb.0.0.bias", None),
        (f"{UNET}out.0.weight", "OUT08"),
        (f"{UNET}middle_block.1.norm.bias", "M00"),
        (f"{UNET}output_blocks.0.0.in_layers.0.bias", "OUT00"),
        ("conditioner.embedders.0.transformer.text_model.final_layer_norm.bias", "BASE"),
        ("conditioner.embedders.1.model.text_projection", None),
        ("first_stage_model.decoder.conv_in.bias", None),
    ],
)
def test_chattiori_in_sdxl(key: str, slot: str | None) -> None:
    assert chattiori_slot(key, "sdxl") == slot


def test_model_mixer_has_no_rules_for_what_is_in_no_block() -> None:
    found = counts(lambda key: mixer_slot(key, "sd1"), "sd1")
    assert {slot: found[slot] for slot in SD1_COUNTS} == SD1_COUNTS
    assert (found["BASE"], found[EXTRA], found[None]) == (196, 8, 248)
    xl = counts(lambda key: mixer_slot(key, "sdxl"), "sdxl")
    assert (xl[EXTRA], xl[None]) == (12, 248 + 2)  # the VAE, logit_scale and text_projection
