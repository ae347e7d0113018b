"""Captions as token ids of a small vocabulary: the words that captions of drawings use.

A text encoder is trained on this vocabulary alone; its table's rows stand in CLIP's table at ``vocabulary_rows``.
"""

# open_clip annotates its tokenizer more narrowly than it is:
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import open_clip
import torch

from studies.sample.scenery.contents import CONTENTS
from studies.sample.scenery.looks import WORDS

END_OF_TEXT = 49407
"""CLIP's id of the token that ends a text, and pads it."""


def token_ids(captions: Sequence[str]) -> torch.Tensor:
    """Return CLIP's token ids, ``(n, 77)``, padded with the end of text as SD1 does."""
    ids = open_clip.tokenizer.SimpleTokenizer()([*captions])
    ends = (ids == END_OF_TEXT).int().argmax(1, keepdim=True)
    return torch.where(torch.arange(77)[None] > ends, END_OF_TEXT, ids)


@lru_cache(maxsize=1)
def vocabulary_rows() -> torch.Tensor:
    """Return the ids of all tokens that captions use, sorted, ``(words,)``; the last one ends a text."""
    words = [content.caption for content in CONTENTS] + [", ".join(words) for words in WORDS.values()]
    return token_ids([*words, ""]).unique()


def small_ids(captions: Sequence[str]) -> torch.Tensor:
    """Return the captions' tokens as places in ``vocabulary_rows``, ``(n, 77)``."""
    return torch.searchsorted(vocabulary_rows(), token_ids(captions))


def without_text(ids: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Return ``small_ids`` with those captions made empty where ``which``, ``(n,)``, says so; that is for guidance."""
    empty = torch.full_like(ids, len(vocabulary_rows()) - 1)
    empty[:, 0] = ids[:, 0]
    return torch.where(which[:, None], empty, ids)
