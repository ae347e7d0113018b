from __future__ import annotations

import pytest

from engine.prompts.check import check_prompt
from engine.prompts.schedule import resolved_texts
from tests.engine.prompts.test_attention import SEED, random_texts


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a red house by the sea, soft light",
        "16:9 photo, sky",
        r"a cat \(animal\)",
        "it's 5 o'clock",
        "a (red hat:1.2) [small] ((cat))",
        "[cat:dog:0.5] [a|b] BREAK x AND y :0.7",
        "cat " * 200,
        "a | b",
    ],
)
def test_what_is_rendered_as_written_needs_no_remark(prompt: str):
    assert check_prompt(prompt) == ()


@pytest.mark.parametrize(
    ("prompt", "piece", "meaning"),
    [
        ("red, rust eyes:1.5, hat", '"rust eyes:1.5"', "without round brackets"),
        ("(x:1.2.3), hat", '"x:1.2"', "without round brackets"),
        ("rust eyes:1.5", '":1.5"', "weighs the whole prompt"),
        ("cat <lora:nice:0.8>", '"<lora:nice:0.8>"', "not applied"),
        ("cat <hypernet:h:1>", '"<hypernet:h:1>"', "not applied"),
        ("a (cat", '"("', "acts on everything behind"),
        ("a cat]", '"]"', "read as a letter"),
        ("a __colour/dark__ cat", '"__colour/dark__"', "a wildcard"),
        ("a {red|blue} cat", '"{red|blue}"', "a choice of words"),
        ("[cat:dog]", '"[cat:dog]"', "without a step"),
        ("[cat:1.5]", '"1.5"', "never comes"),
        ("[a|b:3] cat", '"|"', "keeps every schedule"),
        ("(cat BREAK dog)", '"BREAK"', "ends no chunk"),
    ],
)
def test_what_cannot_be_honoured_or_looks_wrong_is_said_once(prompt: str, piece: str, meaning: str):
    (remark,) = check_prompt(prompt)
    assert piece in remark.what
    assert meaning in remark.what
    assert remark.remedy


def test_a_negative_has_remarks_of_its_own():
    assert "composes nothing" in check_prompt("a AND b", negative=True)[0].what
    assert "read as words" in check_prompt("<lora:x:1>", negative=True)[0].what
    assert check_prompt("# a note AND <lora:x:1>\nplain", negative=True) == ()


def test_the_articles_prompt_has_one_weight_that_is_none():
    (remark,) = check_prompt(SEED)
    assert '"rust eyes:1.5"' in remark.what


def test_random_texts_never_crash():
    for text in random_texts(5_000, seed=4):
        check_prompt(text)
        check_prompt(text, negative=True)


@pytest.mark.parametrize("blank", ["\x1f", "\x85", "\u3000", "\u2003"])
def test_blanks_of_any_kind_may_stand_around_a_step(blank: str) -> None:
    (remark,) = check_prompt(f"[a:b:{blank}1.5{blank}]")
    assert remark.what.startswith('a schedule switches at "1.5" of all steps')
    assert [stretch.text for stretch in resolved_texts(f"[a:b:{blank}0.5{blank}]", 10)] == ["a", "b"]
