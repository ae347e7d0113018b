from __future__ import annotations

import pytest

from engine.prompts.schedule import TextStretch, parse_schedule, print_schedule, resolved_texts
from tests.engine.prompts.test_attention import random_texts


def found(text: str, steps: int = 10, base_steps: int | None = None) -> list[tuple[int, str]]:
    return [(entry.end, entry.text) for entry in resolved_texts(text, steps, base_steps=base_steps)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[a|(b:1.1)]", [(step, "(b:1.1)" if step % 2 == 0 else "a") for step in range(1, 11)]),
        ("[fe|]male", [(step, "male" if step % 2 == 0 else "female") for step in range(1, 11)]),
        ("[fe|||]male", [(step, "female" if step % 4 == 1 else "male") for step in range(1, 11)]),
    ],
)
def test_worked_examples_of_the_webui(text: str, expected: list[tuple[int, str]]):
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "steps", "base", "expected"),
    [
        ("[a:b:.5]", 10, None, [(5, "a"), (10, "b")]),
        ("[a:b:1.5]", 10, None, [(1, "a"), (10, "b")]),
        ("[a:b:0]", 10, None, [(10, "b")]),
        ("[a:b:3]", 10, None, [(3, "a"), (10, "b")]),
        ("[a:b:99]", 10, None, [(10, "a")]),
        ("[a:b:.5]", 10, 20, [(10, "a"), (20, "b")]),
        ("[a:b:12]", 10, 20, [(12, "a"), (20, "b")]),
        ("[a:b:1.5]", 10, 20, [(1, "a"), (20, "b")]),
    ],
)
def test_numbers_before_webui_1_6(text: str, steps: int, base: int | None, expected: list[tuple[int, str]]):
    stretches = resolved_texts(text, steps, base_steps=base, old=True)
    assert [(one.end, one.text) for one in stretches] == expected


def test_the_long_worked_example_of_the_webui():
    text = (
        "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6]"
        "[ in background:0.25] [shoddy:masterful:0.5]"
    )
    assert found(text, 100) == [
        (25, "fantasy landscape with a mountain and an oak in foreground shoddy"),
        (50, "fantasy landscape with a lake and an oak in foreground in background shoddy"),
        (60, "fantasy landscape with a lake and an oak in foreground in background masterful"),
        (75, "fantasy landscape with a lake and an oak in background masterful"),
        (100, "fantasy landscape with a lake and a christmas tree in background masterful"),
    ]


def test_a_second_pass_counts_on():
    assert found("a [b:.5] c", base_steps=10) == [(10, "a b c")]
    assert found("a [b:1.5] c", base_steps=10) == [(5, "a  c"), (10, "a b c")]
    assert found("[a:b:13]", base_steps=10) == [(3, "a"), (10, "b")]
    assert found("[a:b:9]", base_steps=10) == [(10, "b")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a::3]", [(3, "a"), (10, "")]),
        ("[:a:3]", [(3, ""), (10, "a")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:1e0]", [(1, "a"), (10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:0.29]", [(2, "a"), (10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        (r"[a\]:b:3]", [(3, r"a\]"), (10, "b")]),
        (r"[a\:x:b:3]", [(3, r"a\:x"), (10, "b")]),
        ("[x [a:b] y:3]", [(10, "[x [a:b] y:3]")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("[a:b:three]", [(10, "[a:b:three]")]),
        ("(a:b:c) [d:2]", [(2, "(a:b:c) "), (10, "(a:b:c) d")]),
        ("(x [d:2] y:1.2)", [(2, "(x  y:1.2)"), (10, "(x d y:1.2)")]),
        ("[[a|b]:c:2]", [(1, "a"), (2, "b"), *((step, "c") for step in range(3, 11))]),
    ],
)
def test_corners_of_the_grammar(text: str, expected: list[tuple[int, str]]):
    assert found(text) == expected


@pytest.mark.parametrize("text", ["a | [b:3]", "[a|b:0.5]", "(a|b) [c:2]", "[c:2] {a|b}", "[c:2]\\"])
def test_a_stray_bar_or_backslash_keeps_the_whole_text_as_it_is(text: str):
    assert found(text) == [(10, text)]
    assert parse_schedule(text) is None


def test_twenty_thousand_random_texts_are_read_and_read_back():
    for text in random_texts(20_000, seed=2):
        nodes = parse_schedule(text)
        if nodes is not None:
            assert print_schedule(nodes) == text
        entries = resolved_texts(text, 4)
        assert entries[-1].end == 4
        assert [entry.end for entry in entries] == sorted({entry.end for entry in entries})
        assert entries[0].end >= 1


def test_reading_what_was_printed_gives_the_same_nodes():
    for text in ("a [b : c : 1] d", "[a|[b:c:2]|]", "x", r"[\[:3] (y)"):
        nodes = parse_schedule(text)
        assert nodes is not None
        assert parse_schedule(print_schedule(nodes)) == nodes


def test_an_entry_is_a_value():
    assert resolved_texts("a", 3) == (TextStretch(end=3, text="a"),)
