"""Any characters at all are a prompt: all the way from the text to token ids, and through a picture's text."""

from __future__ import annotations

import math
import random

from engine.architecture.widths import END
from engine.prompts.attention import parse_attention
from engine.prompts.check import check_prompt
from engine.prompts.chunks import chunks_of
from engine.prompts.parts import negative_text, prompt_parts
from engine.prompts.schedule import parse_schedule, print_schedule, resolved_texts
from engine.prompts.tokenizer import START
from engine.shots.infotext import infotext
from engine.shots.shot import Shot
from tests.engine.prompts.attention_text import print_attention
from tests.engine.shots.infotexts import parse_infotext

COUNT = 4_000
GRAMMAR = "()[]:|,\\\n#<>_{}"
RANGES = (
    (0x20, 0x7E), (0x00, 0x2FF), (0x300, 0x36F), (0x600, 0x6FF), (0x2000, 0x206F), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
    (0xFE00, 0xFFFF), (0x1F300, 0x1FAFF), (0xE0000, 0xE007F),
)  # fmt: skip
"""Latin with its controls, marks that combine, Arabic, invisible and wide signs, kana, kanji, emoji, tags."""


def any_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)

    def piece() -> str:
        return rng.choice(GRAMMAR) if rng.random() < 0.3 else chr(rng.randint(*rng.choice(RANGES)))

    return ["".join(piece() for _ in range(rng.randint(0, 24))) for _ in range(count)]


def test_any_characters_are_read_and_read_back() -> None:
    weighed = scheduled = 0
    texts = any_texts(COUNT, seed=7)
    for text in texts:
        pieces = parse_attention(text)
        if all(math.isfinite(piece.weight) for piece in pieces):
            assert parse_attention(print_attention(pieces)) == pieces, text
            weighed += 1
        nodes = parse_schedule(text)
        if nodes is not None:
            assert print_schedule(nodes) == text
            scheduled += 1
    assert (len(texts), weighed) == (COUNT, COUNT)
    assert scheduled > COUNT / 4


def test_any_characters_become_whole_chunks() -> None:
    texts = any_texts(COUNT, seed=8)
    for text in texts:
        check_prompt(text)
        for part in (*(part.text for part in prompt_parts(text)), negative_text(text)):
            for entry in resolved_texts(part, 3):
                chunks = chunks_of(entry.text)
                assert chunks
                assert all((chunk.ids[0], chunk.ids[-1], len(chunk.ids)) == (START, END, 77) for chunk in chunks)
    assert len(texts) == COUNT


def test_any_characters_come_back_from_a_picture() -> None:
    texts = any_texts(COUNT // 4, seed=9)
    for text in texts:
        shot = Shot(prompt=text, negative=text[::-1], seed=1)
        assert parse_infotext(infotext(shot, model="m")) == shot, text
    assert len(texts) == COUNT // 4
