"""Names in rules and filters that no tensor has are found, with what was probably meant."""

from __future__ import annotations

import pytest

from engine.architecture.widths import FamilyName
from engine.recipes.dialects import dialect_of
from engine.recipes.steps import Filter, MergeStep
from engine.recipes.unmet import unmet_names


def texts(run: MergeStep, family: FamilyName = "sd1", dialect: str = "classic") -> list[str]:
    return [str(problem) for problem in unmet_names(run, family, dialect_of(dialect))]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            "out05:attn1:0.5",
            "'out05:attn1:0.5': no tensor has a block 'out05'; did you mean OUT05?",
        ),
        ("IN01::1,MID::0.5", "elemental segment 2, 'MID::0.5': no tensor has a block 'MID'; did you mean M00?"),
        ("OUT5::0.5", "elemental segment 1, 'OUT5::0.5': no tensor has a block 'OUT5'; did you mean OUT05?"),
        ("NOT MIDDLE:attn1:0.5", "'NOT MIDDLE:attn1:0.5': no tensor has a block 'MIDDLE'; did you mean M00?"),
        (
            "OUT05:atn1:0.5",
            "'OUT05:atn1:0.5': no tensor has 'atn1' in its name; did you mean attn1?",
        ),
        ("OUT05:NOT Attn1:0.5", "no tensor has 'Attn1' in its name; did you mean attn1?"),
        ("OUT05:quux:0.5", "no tensor has 'quux' in its name; write a part of a key name, such as attn1 or ff.net"),
        ("IN03:attn1:0.5", "elemental segment 1, 'IN03:attn1:0.5': meets no tensor; its blocks have no such elements"),
    ],
)
def test_names_in_rules_that_no_tensor_has(rules: str, expected: str) -> None:
    (found,) = texts(MergeStep(elemental=rules))
    assert found.endswith(expected)
    assert found.startswith("elemental segment ")


@pytest.mark.parametrize(
    "rules",
    [
        "OUT05 OUT08:attn1:0.88",
        "OUT:attn2:0.4,IN0::0.3",  # parts of names are enough in classic
        "first_stage_model::0.9,BASE:NOT attn:0.2,:norm:0.1,::1",
        "OUT05: attn1:0.5",  # an empty element is in every name
        "model_ema.diffusion_model::0",
        "IN03-IN06:attn1:0.5",
        "no rule",
    ],
)
def test_names_that_tensors_have(rules: str) -> None:
    assert texts(MergeStep(elemental=rules)) == []


def test_head_wants_whole_names() -> None:
    (found,) = texts(MergeStep(elemental="OUT:attn2:0.4"), "sdxl", "head")
    assert "no tensor has a block 'OUT'" in found
    assert texts(MergeStep(elemental="OUT:attn2:0.4"), "sdxl", "classic") == []


def test_blocks_of_sdxl_have_shifted_names_in_rules_and_true_ones_in_filters() -> None:
    assert texts(MergeStep(elemental="IN09::0.5"), "sdxl") == []  # M00
    (found,) = texts(MergeStep(elemental="OUT09::0.5"), "sdxl", "head")
    assert "no tensor has a block 'OUT09'" in found
    (found,) = texts(MergeStep(filter=Filter(kind="exclude", blocks=("M00", "IN09", "VAE", "Adjust"))), "sdxl")
    assert found.startswith("exclude.blocks: no tensor of sdxl has a block 'IN09' in the dialect classic")


@pytest.mark.parametrize(
    ("rules", "count"), [("MID00::0.5", 0), ("CLIPG:attn:0.5,VAE::0.1", 0), ("IN0::0.5", 1), ("M00::0.5", 1)]
)
def test_extended_blocks_are_known_where_they_are_meant(rules: str, count: int) -> None:
    assert len(texts(MergeStep(elemental=rules, extended=True), "sdxl", "head")) == count


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(kind="include", blocks=("CLIPL",)), ["include.blocks: no tensor of sd1 has a block 'CLIPL'"]),
        (
            Filter(kind="exclude", elements=("atn1",)),
            ["exclude.elements: no tensor has 'atn1' in its name; did"],
        ),
        (Filter(kind="exclude", elements=("out05",)), ["'out05' in its name; did you mean OUT05?"]),
        (Filter(kind="exclude", blocks=("IN03", "Adjust", "VAE"), elements=("attn1", "bias")), []),
    ],
)
def test_names_in_filters(chosen: Filter, expected: list[str]) -> None:
    found = texts(MergeStep(filter=chosen))
    assert len(found) == len(expected)
    assert all(part in text for part, text in zip(expected, found, strict=True))


def test_filters_of_head_know_the_110_names() -> None:
    assert texts(MergeStep(filter=Filter(kind="exclude", blocks=("IN410", "M00"))), "sdxl", "head") == []
    assert len(texts(MergeStep(filter=Filter(kind="exclude", blocks=("IN410",))), "sdxl", "classic")) == 1
