from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from engine.architecture.widths import END
from engine.errors import RenderError
from engine.prompts.chunks import COMMA, EMPTY, Chunk, Insert, NamedEmbedding, chunks_of
from engine.prompts.tokenizer import START, token_ids
from tests.engine.prompts.test_attention import random_texts

CAT = 2368
ARTICLE_PROMPT = (
    "kawaii, cute,(1 girl,solo:1.3),rust eyes:1.5,[youthful],blush hair, long hair, bangs, hair_ornament,\n"
    "quilted jacket,large breasts,\nBREAK\nbest quality,8k,raw photo,realistic,absurdres,highres,ultra detailed,"
    "beautiful eyes,\nBREAK\ndrop,apartment,graveyard,railroad crossing,Dusk"
)
ARTICLE_NEGATIVE = (
    "EasyNegativeV2,negative_hand-neg,(worst quality:1.5),(low quality:1.5),(normal quality:1.5),(monochrome),\n"
    "(grayscale),(watermark),(white letters),signature,username,text,error,(manicure),(nsfw),(earing)"
)


class Invented:
    """Names of embeddings with their numbers of vectors."""

    def __init__(self, **vectors: int) -> None:
        self.vectors = vectors

    def named_at(self, ids: Sequence[int], place: int) -> NamedEmbedding | None:
        for name, count in sorted(self.vectors.items(), key=lambda item: -len(token_ids(item[0]))):
            own = token_ids(name)
            if tuple(ids[place : place + len(own)]) == own:
                return NamedEmbedding(name=name, vectors=count, tokens=len(own))
        return None


def words(chunk: Chunk) -> list[int]:
    """The ids of a chunk without start, end and padding."""
    return [number for number in chunk.ids if number not in {START, END}]


def test_a_short_text_is_one_padded_chunk():
    (chunk,) = chunks_of("a photo of a cat")
    assert chunk.ids == (START, 320, 1125, 539, 320, CAT, END, *(END,) * 70)
    assert chunk.weights == (1.0,) * 77
    assert not chunk.weighted
    assert chunks_of("") == (EMPTY,)


def test_weights_stand_at_their_tokens():
    (chunk,) = chunks_of("a (photo of:1.3) [cat]")
    assert chunk.weights[:6] == (1, 1, 1.3, 1.3, 1 / 1.1, 1)
    assert chunk.weighted


def test_pieces_of_other_weights_are_tokenised_apart():
    (chunk,) = chunks_of("cat(cat)cat")
    assert words(chunk) == [CAT] * 3


@pytest.mark.parametrize(("count", "chunks"), [(1, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_seventy_five_tokens_fill_a_chunk(count: int, chunks: int):
    found = chunks_of("cat " * count)
    assert len(found) == chunks
    assert [len(chunk.ids) for chunk in found] == [77] * chunks
    assert sum(len(words(chunk)) for chunk in found) == count


def test_break_fills_the_chunk_up():
    first, second = chunks_of("a BREAK cat")
    assert words(first) == [320]
    assert words(second) == [CAT]
    assert len(chunks_of("cat " * 75 + "BREAK a")) == 2  # a full chunk is not followed by an empty one
    assert chunks_of("BREAK cat")[0] == EMPTY
    assert len(chunks_of("cat BREAK")) == 1


def test_what_follows_a_late_comma_moves_to_the_next_chunk():
    first, second = chunks_of("cat " * 60 + ", " + "cat " * 20)
    assert words(first) == [CAT] * 60 + [COMMA]
    assert words(second) == [CAT] * 20


@pytest.mark.parametrize(("before", "moved"), [(54, False), (55, True), (73, True)])
def test_only_the_last_twenty_tokens_are_looked_at(before: int, *, moved: bool):
    first, _ = chunks_of("cat " * before + ", " + "cat " * 40)
    assert len(words(first)) == (before + 1 if moved else 75)


def test_a_comma_that_opens_a_chunk_opens_it():
    first, second = chunks_of("cat " * 75 + ", " + "cat " * 3)
    assert words(first) == [CAT] * 75
    assert words(second) == [COMMA, *[CAT] * 3]


def test_a_comma_counts_in_its_own_chunk_alone():
    found = chunks_of("cat " * 60 + ", " + "cat " * 90)
    assert [len(words(chunk)) for chunk in found] == [61, 75, 15]


def test_the_tail_keeps_its_weights():
    first, second = chunks_of("cat " * 60 + ", (" + "cat " * 20 + ":1.5)")
    assert set(first.weights) == {1.0}
    assert second.weights[1:21] == (1.5,) * 20


def test_the_articles_prompt_has_three_chunks_and_its_negative_one():
    prompt = chunks_of(ARTICLE_PROMPT)
    assert [len(words(chunk)) for chunk in prompt] == [36, 23, 10]
    assert len(chunks_of(ARTICLE_NEGATIVE)) == 1
    (negative,) = chunks_of(ARTICLE_NEGATIVE, Invented(**{"EasyNegativeV2": 8, "negative_hand-neg": 6}))
    assert negative.inserts == (
        Insert(name="EasyNegativeV2", position=1),
        Insert(name="negative_hand-neg", position=10),
    )
    assert negative.ids[1:9] == (0,) * 8


def test_the_longest_name_is_taken():
    names = Invented(cat=1, **{"cat photo": 3})
    (chunk,) = chunks_of("cat, cat photo", names)
    assert [(item.name, item.position) for item in chunk.inserts] == [("cat", 1), ("cat photo", 3)]


def test_a_name_is_found_whatever_its_capitals_and_weighs_what_it_is_given():
    (chunk,) = chunks_of("a (CAT:1.4) a", Invented(cat=2))
    assert chunk.ids[:6] == (START, 320, 0, 0, 320, END)
    assert chunk.weights[1:5] == (1, 1.4, 1.4, 1)


def test_vectors_never_straddle_chunks():
    first, second = chunks_of("a " * 70 + "cat", Invented(cat=6))
    assert len(words(first)) == 70
    assert second.inserts == (Insert(name="cat", position=1),)
    (whole,) = chunks_of("a " * 69 + "cat", Invented(cat=6))
    assert whole.inserts == (Insert(name="cat", position=70),)


def test_vectors_behind_a_late_comma_stay_behind_as_in_the_webui():
    first, second = chunks_of("a " * 60 + ", cat " + "a " * 20, Invented(cat=3))
    assert first.inserts == (Insert(name="cat", position=62),)
    assert first.ids[62:65] == (END,) * 3
    assert second.ids[1:4] == (0, 0, 0)
    assert second.inserts == ()


def test_an_embedding_larger_than_a_chunk_is_refused():
    with pytest.raises(RenderError, match=r'"cat" has 76 vectors, and a chunk has room for 75; take it out'):
        chunks_of("a cat", Invented(cat=76))


def test_random_texts_become_whole_chunks():
    rng = random.Random(5)
    for text in random_texts(3_000, seed=6):
        for chunk in chunks_of(text * rng.randint(1, 12), Invented(cat=9)):
            assert len(chunk.ids) == len(chunk.weights) == 77
            assert (chunk.ids[0], chunk.ids[-1]) == (START, END)
