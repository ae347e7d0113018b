from __future__ import annotations

import math
import random

import pytest

from engine.prompts.attention import BREAK, Piece, parse_attention, unmatched_brackets
from tests.engine.prompts.attention_text import print_attention

SEED = (
    "kawaii, cute,(1 girl,solo:1.3),rust eyes:1.5,[youthful],blush hair, long hair, bangs, hair_ornament,\n"
    "quilted jacket,large breasts,\nBREAK\nbest quality,8k"
)


def pairs(text: str) -> list[tuple[str, float]]:
    return [(piece.text, piece.weight) for piece in parse_attention(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1),
                ("house", 1.3 * 1.1 * 1.1),
                (" ", 1.1),
                ("on", 1),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.1**4),
                (".", 1.1),
            ],
        ),
    ],
)
def test_worked_examples_of_the_webui(text: str, expected: list[tuple[str, float]]):
    found = pairs(text)
    assert [words for words, _ in found] == [words for words, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a:1.2)", [("a", 1.2)]),
        ("(a : 1.2 )", [("a ", 1.2)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(a:-2)", [("a", -2)]),
        ("(a:+2.)", [("a", 2)]),
        ("(a:b:1.2)", [("a:b", 1.2)]),
        ("[a:1.2]", [("a:1.2", 1 / 1.1)]),
        ("rust eyes:1.5", [("rust eyes:1.5", 1)]),
        ("a:1.5)", [("a:1.5)", 1)]),
        ("a) b]", [("a) b]", 1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:)", [("a:", 1.1)]),
        ("(a[b)c]", [("a", 1.1), ("b", 1), ("c", 1 / 1.1)]),
        ("((a:1.5):2)", [("a", 3)]),
        (r"\\(a)", [("\\", 1), ("a", 1.1)]),
        (r"a\b\[c", [("ab[c", 1)]),
        ("a\\", [("a", 1)]),
        ("(a:0)b", [("a", 0), ("b", 1)]),
        ("((a)", [("a", 1.1 * 1.1)]),
        ("[(a", [("a", 1)]),
    ],
)
def test_corners_of_the_grammar(text: str, expected: list[tuple[str, float]]):
    found = pairs(text)
    assert [words for words, _ in found] == [words for words, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


def test_break_stands_alone_and_swallows_the_space_around_it():
    assert parse_attention("a  \n BREAK\tb") == (Piece(text="a"), BREAK, Piece(text="b"))
    assert parse_attention("BREAK BREAK") == (BREAK, BREAK)
    assert parse_attention("BREAKfast a_BREAK") == (Piece(text="BREAKfast a_BREAK"),)
    assert parse_attention("(a)BREAK(b)") == (Piece(text="a", weight=1.1), BREAK, Piece(text="b", weight=1.1))


def test_break_in_brackets_is_a_word_as_in_the_webui():
    a, word, b = parse_attention("(a BREAK b:1.2)")
    assert (a, b) == (Piece(text="a", weight=1.2), Piece(text="b", weight=1.2))
    assert word == Piece(text="BREAK", weight=-1.2)


def test_the_articles_prompt_weighs_what_it_says_it_weighs():
    found = {piece.text: piece.weight for piece in parse_attention(SEED)}
    assert found["1 girl,solo"] == 1.3
    assert found["youthful"] == pytest.approx(1 / 1.1)
    assert found[",rust eyes:1.5,"] == 1
    assert parse_attention(SEED).count(BREAK) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (Piece(text="a (b) [c] \\ d:1.2"),),
        (Piece(text="a", weight=1.25), Piece(text=" b "), BREAK, Piece(text=" c ")),
        (Piece(text="a"), Piece(text="b")),
        (Piece(text="a", weight=0.0), Piece(text="b", weight=0.0)),
        (Piece(text="a BREAK", weight=3.0), BREAK, BREAK, Piece(text="BREAK")),
        (Piece(text="a", weight=1e-9), Piece(text="b", weight=-1e20)),
        (Piece(text="x", weight=1 / 3),),
    ],
)
def test_what_is_printed_is_read_back(pieces: tuple[Piece, ...]):
    assert parse_attention(print_attention(pieces)) == pieces


def test_plain_text_is_printed_plain():
    assert print_attention(parse_attention("a (red:1.2) [hat] (x)")) == "a (red:1.2) (hat:0.9090909090909091) (x:1.1)"


def random_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = [
        *r"()[]:\|",
        " ",
        "\n",
        "a",
        "1.2)",
        ":0.5",
        "BREAK",
        " BREAK ",
        "AND",
        "cat, ",
        "日本",
        "é",
        ",",
        "-",
        "#",
        "<x:1>",
    ]
    return ["".join(rng.choices(words, k=rng.randint(0, 16))) for _ in range(count)]


def test_twenty_thousand_random_texts_are_read_and_read_back():
    for text in random_texts(20_000, seed=1):
        pieces = parse_attention(text)
        if all(math.isfinite(piece.weight) for piece in pieces):
            assert parse_attention(print_attention(pieces)) == pieces, text


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("(a) [b] (c:1.2)", ()),
        (r"\( a \]", ()),
        ("(a", ("(",)),
        ("a:1.2) [", (")", "[")),
        ("((a)]", ("]", "(")),
    ],
)
def test_brackets_without_a_partner_are_found(text: str, alone: tuple[str, ...]):
    assert unmatched_brackets(text) == alone
