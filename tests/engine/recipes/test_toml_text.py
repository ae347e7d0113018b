"""What is wrong with a TOML text, in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.recipes.toml_text import parse_toml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[study]\nx = 1\n[study]\ny = 2", r"the table \[study\] stands twice, in lines 1 and 3; put all its keys"),
        ("[a.b]\n[a]\n[a.b]", r"the table \[a.b\] stands twice, in lines 1 and 3"),
        ("[prompts]\nx = 1\n[[prompts]]", r"\[prompts\] and \[\[prompts\]\] both stand in it, in lines 1 and 3"),
        ("[[prompts]]\nx = 1\n[prompts]", r"\[prompts\] and \[\[prompts\]\] both stand in it, in lines 1 and 3"),
        ("[a]\nx = 1\n[b]\nx = 1\nx = 2", "the key x stands twice in a table, in lines 4 and 5; leave one"),
        ('a = """\n[a]\nx = 1\n[a]\n"""\na = 2', "the key a stands twice in a table, in lines 1 and 6"),
        ("[[a]]\n[a.b]\n[[a]]\n[a.b]\nx = ", r"is not TOML: .*; texts stand in quotes"),
        ("x = [" + "[" * 5000, "its brackets stand too deep in one another"),
        ("x = 1" + "0" * 5000, "line 1 has a number of 5,001 digits"),
        ('x = "\\ud800"', "is not TOML: .* scalar value"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_toml(text, Path("some.toml"), RecipeError)
    assert str(caught.value).startswith("some.toml: ")
    assert "('" not in str(caught.value)


def test_all_that_stands_twice_is_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_toml("[a]\nx = 1\nx = 2\n[a]\n", "the recipe", RecipeError)
    assert len(caught.value.problems) == 2


def test_numbers_without_end_are_named_with_their_line() -> None:
    with pytest.raises(RecipeError) as told:
        parse_toml(f"a = 1\nseed = {'9' * 5000}\n", "x.toml", RecipeError)
    assert str(told.value) == 'x.toml: line 2 has a number of 5,000 digits ("999999999999..."); write a smaller one'
