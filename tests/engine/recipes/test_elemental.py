from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RecipeError
from engine.recipes.elemental import ignored_segments, parse_elemental

QUERY = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"


def meets(text: str, *, key: str = QUERY, block: str = "OUT05", exact: bool = False) -> bool:
    (rule,) = parse_elemental(text)
    return rule.meets(key, block, exact=exact)


@pytest.mark.parametrize(
    ("text", "classic", "head"),
    [
        ("OUT05:attn1:0.5", True, True),
        ("OUT05:attn:0.5", True, True),
        ("OUT05:attn2 to_q:0.5", True, True),
        ("OUT05:attn2:0.5", False, False),
        ("OUT04 OUT05::0.5", True, True),
        ("OUT03-OUT08:attn1:0.5", True, True),
        ("OUT08-OUT03:attn1:0.5", True, True),
        ("OUT06-OUT08:attn1:0.5", False, False),
        (":attn1:0.5", True, True),
        ("NOT OUT05:attn1:0.5", False, False),
        ("NOT OUT04:attn1:0.5", True, True),
        ("OUT05:NOT attn1:0.5", False, False),
        ("OUT05:NOT attn2 proj:0.5", True, True),
        ("OUT:attn1:0.5", True, False),  # a part of the name
        ("output_blocks.5:attn1:0.5", True, False),  # a part of the key
        ("out05:attn1:0.5", False, False),
        ("OUT05: attn2:0.5", True, True),  # the space leaves an empty element, which is in every name
        ("OUT04 :attn1:0.5", True, False),  # the same in the blocks, where classic looks for parts
        ("  OUT05:attn1: 0.5 ", True, True),
        ("OUT05:OUT05:0.5", True, False),  # classic looks for elements in the block's name too
    ],
)
def test_rules_meet_keys_as_in_supermerger(text: str, classic: bool, head: bool) -> None:
    assert meets(text) is classic
    assert meets(text, exact=True) is head


def test_segments_without_two_colons_are_passed_over() -> None:
    text = "OUT05:attn1:0.5,foo,OUT06:attn1,:::,,OUT07:attn1:0.1:x"
    assert len(parse_elemental(text)) == 1
    assert ignored_segments(text) == ["foo", "OUT06:attn1", ":::", "OUT07:attn1:0.1:x"]


def test_new_lines_are_commas_and_the_calculation_mode_is_cut_out() -> None:
    assert len(parse_elemental("OUT05:attn1:0.5\nOUT06::R")) == 2
    (fused,) = parse_elemental("OUT05:normal,OUT06:attn1:0.5".replace("OUT06:", "", 1))
    assert (fused.blocks, fused.elements) == (("OUT05",), ("attn1",))


def test_ranges_of_the_110_ids() -> None:
    (rule,) = parse_elemental("OUT010-OUT013:attn1:0.5", extended=True)
    assert rule.blocks == ("OUT010", "OUT011", "OUT012", "OUT013")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,OUT05:attn1:much", "segment 2, 'OUT05:attn1:much': 'much' is no ratio"),
        ("OUT05::", "segment 1, .*'' is no ratio"),
        ("OUT05::nan", "the ratio is nan"),
        ("OUT03-OUT99::1", "'OUT03-OUT99' is no range of blocks"),
        ("OUT03-OUT04-OUT05::1", "is no range of blocks"),
    ],
)
def test_what_ends_a_merge_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_elemental(text)


@given(st.one_of(st.text(), st.text(alphabet="OUTIN05M -:,\nattn1.NOTR")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rules = parse_elemental(text)
    except RecipeError:
        return
    for rule in rules:
        rule.meets(QUERY, "OUT05", exact=False)
