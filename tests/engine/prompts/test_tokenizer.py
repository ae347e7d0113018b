from __future__ import annotations

import subprocess
import sys
import unicodedata
from functools import cache

import ftfy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.architecture.widths import END
from engine.prompts.tokenizer import START, token_ids, words_of

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
    assume("Cn" not in map(unicodedata.category, ftfy.fix_text(text)))  # repaired into no letter of any Unicode yet
    assert list(token_ids(text)) == reference().encode(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a photo of a cat", "a photo of a cat"),
        ("Blue DÖG, it's 5", "blue dög , it 's 5"),
        ("日本語 👍", "日本語 👍"),
        ("", ""),
    ],
)
def test_ids_give_the_words_back(text: str, words: str):
    assert words_of((START, *token_ids(text), END, END)) == words


def test_the_tokenizer_loads_neither_torch_nor_open_clip():
    code = (
        "import sys, engine.prompts.tokenizer as t; t.token_ids('cat');"
        "print(sorted({'torch', 'torchvision', 'open_clip', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
