from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RenderError
from engine.tokenizer import CONTEXT, END, START, check_prompt, context_ids, token_ids

# Known ids of CLIP's tokenizer; the two captions are the usual probes of its documentation.
KNOWN = {
    "": (),
    "a photo of a cat": (320, 1125, 539, 320, 2368),
    "masterpiece, best quality, 1girl": (12066, 267, 949, 3027, 267, 272, 1611),
}


@cache
def reference():
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


@pytest.mark.parametrize(("text", "ids"), KNOWN.items())
def test_known_ids(text: str, ids: tuple[int, ...]):
    assert token_ids(text) == ids


@pytest.mark.parametrize(
    "text",
    [
        "It's DON'T we'LL I've",
        "１ｇｉｒｌ，ｈａｔ",
        "ｶﾀｶﾅ の 家",
        "“curly” ‘quotes’",
        "ﬁne ﬂag",
        "salt &amp; pepper &lt;3",
        "&amp;amp; <b>",
        "a\tb\nc\u3000d\xa0e",
        "Straße İstanbul ΣΑΣ",
        "½ Ⅷ ٣ 2026",
        "cafe\u0301 café",
        "नमस्ते 👍🏽 日本語",
        "snake_case -- ... (x:1.2)",
        "<start_of <|endoftext|>",
    ],
)
def test_ids_equal_open_clip(text: str):
    assert list(token_ids(text)) == reference().encode(text)


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["Cs", "Cn"]), max_size=40))
def test_any_western_text_gives_open_clips_ids(text: str):
    assert list(token_ids(text)) == reference().encode(text)


def test_the_context_has_start_text_end_and_end_as_padding():
    ids = context_ids("a photo of a cat")
    assert len(ids) == CONTEXT
    assert ids[:7] == (START, *KNOWN["a photo of a cat"], END)
    assert set(ids[7:]) == {END}
    assert context_ids("") == (START, *(END,) * 76)


def test_seventy_five_tokens_fit_and_one_more_does_not():
    assert context_ids("cat " * 75)[-1] == END
    with pytest.raises(RenderError, match=r"has 76 tokens, and the text encoder reads 75.*Shorten the prompt by 1"):
        context_ids("cat " * 76)


@pytest.mark.parametrize("refuse", [context_ids, check_prompt])
def test_the_words_that_do_not_fit_are_named(refuse):
    with pytest.raises(RenderError, match='these words do not fit: "blue dög , last"'):
        refuse("cat " * 75 + "blue DÖG, last")


def test_plain_prompts_need_no_warning():
    for prompt in ("", "a red house by the sea, soft light", "16:9 photo, sky", r"a cat \(animal\)", "it's 5 o'clock"):
        assert check_prompt(prompt) == ()


@pytest.mark.parametrize(
    ("prompt", "piece", "meaning"),
    [
        ("a (red hat:1.2) cat", "(red hat:1.2)", "an attention weight"),
        ("a (red hat : .8) cat", "(red hat : .8)", "an attention weight"),
        ("a ((red hat)) cat", "(red hat)", "attention brackets"),
        ("a [youthful] cat", "[youthful]", "attention brackets"),
        ("[cat:dog:0.5]", "[cat:dog:0.5]", "a prompt schedule"),
        ("[cat|dog]", "[cat|dog]", "alternating words"),
        ("cat <lora:nice:0.8>", "<lora:nice:0.8>", "an extra network or LoRA"),
        ("rust eyes:1.5", "eyes:1.5", "a weight without round brackets"),
        ("cat BREAK dog", "BREAK", "a chunk mark"),
        ("cat AND dog", "AND", "a composed prompt"),
        ("a __colour__ cat", "__colour__", "a wildcard"),
        ("a {red|blue} cat", "{red|blue}", "a choice of words"),
    ],
)
def test_webui_syntax_is_reported_once(prompt: str, piece: str, meaning: str):
    (warning,) = check_prompt(prompt)
    assert f'"{piece}" looks like {meaning}' in warning
    assert "plain text" in warning


def test_every_piece_of_syntax_is_reported():
    found = check_prompt("(1 girl,solo:1.3), rust eyes:1.5, [youthful], BREAK")
    assert len(found) == 4


def test_the_tokenizer_loads_neither_torch_nor_open_clip():
    code = (
        "import sys, engine.tokenizer as t; t.token_ids('cat');"
        "print(sorted({'torch', 'torchvision', 'open_clip', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
