"""Lines of a width: between words, between Japanese characters, within words that are too wide."""

from __future__ import annotations

import pytest

from studies.drawing.lettering import Lettering
from studies.drawing.paragraphs import ELLIPSIS, cut, lines_of

TEXTS = (
    "a short text",
    "many words that are broken between them, one line after the other, as it should be",
    "水彩風の夕暮れと、とても長い名前をもつ街角のイラスト。「引用」も、あります。",
    "a_name_without_any_blank_that_is_far_wider_than_a_line_of_this_text.safetensors and more",
    "mixed 水彩 words と 日本語 in one line of text",
)


@pytest.mark.parametrize("text", TEXTS)
def test_every_line_fits_and_nothing_is_lost(text: str) -> None:
    font = Lettering().font(20, text)
    for width in range(80, 300, 10):
        lines = lines_of(text, font, width)
        assert all(font.getlength(line) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert not any(line[0] in "、。」" for line in lines if line)
    assert lines_of(text, font, 5000) == [text]


def test_words_are_not_broken_where_they_fit() -> None:
    font = Lettering().font(20, TEXTS[1])
    assert [word for line in lines_of(TEXTS[1], font, 180) for word in line.split()] == TEXTS[1].split()


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    font = Lettering().font(20, TEXTS[1])
    lines = lines_of(TEXTS[1], font, 180, 2)
    assert len(lines) == 2
    assert lines[1].endswith(ELLIPSIS)
    assert font.getlength(lines[1]) <= 180
    assert cut("short", font, 500) == "short"
