from __future__ import annotations

import pytest

from engine.prompts.parts import negative_text, prompt_parts, without_comments
from tests.engine.prompts.test_attention import random_texts


def found(prompt: str) -> list[tuple[str, float]]:
    return [(part.text, part.weight) for part in prompt_parts(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", [("", 1)]),
        ("a cat", [("a cat", 1)]),
        ("a cat AND a dog", [("a cat", 1), (" a dog", 1)]),
        ("a cat :1.2 AND a dog:-0.5 AND a bird: 2", [("a cat", 1.2), (" a dog", -0.5), (" a bird", 2)]),
        ("a cat:.5", [("a cat", 0.5)]),
        ("ANDROID BAND", [("ANDROID BAND", 1)]),
        ("(a cat:1.2)", [("(a cat:1.2)", 1)]),
        ("a:1:2", [("a:1", 2)]),
        ("a\nb : 3.\n", [("a\nb", 3)]),
        ("a, <lora:nice:0.8> b", [("a,  b", 1)]),
        ("a:1.5 <lora:nice:0.8>", [("a", 1.5)]),
        ("a <3 b>", [("a <3 b>", 1)]),
    ],
)
def test_prompts_are_cut_at_and_with_weights_at_the_ends(prompt: str, expected: list[tuple[str, float]]):
    assert found(prompt) == expected


@pytest.mark.parametrize(
    ("text", "left"),
    [("a # b\nc", "a \nc"), ("# all", "\n"), ("a\n# b\nc", "a\nc"), ("#a\nb", "\nb"), ("plain", "plain")],
)
def test_comments_are_taken_out(text: str, left: str):
    assert without_comments(text) == left


def test_a_negative_is_one_text():
    assert negative_text("a AND b:1.5 <lora:x:1> # c") == "a AND b:1.5 <lora:x:1> \n"


def test_random_texts_have_at_least_one_part():
    for text in random_texts(20_000, seed=3):
        assert len(prompt_parts(text)) >= 1
