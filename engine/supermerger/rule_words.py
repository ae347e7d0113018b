"""Elemental rules made from their effect: the shortest words that match some tensors of a block and no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from engine.recipes.steps import number

_LONGEST = 4  # parts of a name in a word, before the whole name is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioNeed:
    """A ratio that some tensors of a block need.

    Attributes:
        block: as elemental rules call it.
        ratio: for the tensors.
        keys: the tensors.
        others: tensors of the block that the rule must not match.
    """

    block: str
    ratio: float
    keys: frozenset[str]
    others: frozenset[str]


def rules_for(needs: Iterable[RatioNeed]) -> str:
    """An elemental text that gives tensors the ratios they need; blocks with equal rules share a segment."""
    blocks: dict[tuple[tuple[str, ...], float], list[str]] = {}
    for need in needs:
        if (words := words_for(need.keys, need.others)) is not None:
            blocks.setdefault((words, need.ratio), []).append(need.block)
    return ",".join(f"{' '.join(names)}:{' '.join(words)}:{number(ratio)}" for (words, ratio), names in blocks.items())


def words_for(keys: Collection[str], others: Collection[str]) -> tuple[str, ...] | None:
    """Words of which each key has one in its name, and none of the others; empty where there are no others.

    None where that cannot be: a key that is part of another one's name.
    """
    if not others:
        return ()
    left, found = set(keys), list[str]()
    matches = _matches_by_word(keys, others)
    while left:
        best = max(matches, key=lambda word: (len(matches[word] & left), -len(word), word), default=None)
        if best is None or not matches[best] & left:
            return None
        found.append(best)
        left -= matches[best]
    return tuple(found)


def _matches_by_word(keys: Collection[str], others: Collection[str]) -> Mapping[str, set[str]]:
    """The words that match none of the others, with the keys that they match."""
    words = {word for key in keys for word in _words_of_key(key)}
    everything = "\n".join(others)
    return {word: {key for key in keys if word in key} for word in words if word not in everything}


def _words_of_key(key: str) -> Iterable[str]:
    """Runs of the parts of a name, numbers alone left out; and the name."""
    parts = key.split(".")
    yield key
    for start in range(len(parts)):
        for end in range(start + 1, min(start + _LONGEST, len(parts)) + 1):
            word = ".".join(parts[start:end])
            if any(letter.isalpha() for letter in word):
                yield word
                yield word.rstrip("0123456789.")
