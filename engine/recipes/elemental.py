"""Elemental rules: SuperMerger's text that gives single parts of blocks a ratio of their own.

``OUT03-OUT05:attn2 ff:0.5, NOT BASE:NOT attn:0.2`` is two rules, ``blocks:elements:ratio`` each, separated by commas or
new lines. Of the rules that meet a key the last one wins, and its ratio takes the place of alpha. As there, a segment
without exactly two colons is ignored; ``dialect.exact_blocks`` says whether a block name must be the whole name of the
block or any part of the key's name with the block's behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.errors import Named, RecipeError
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS

RANDOM_RATIOS = ("R", "U", "X")
"""Ratios drawn for every key: 0 to 1, -1 to 1, and 1 down to 0."""

LARGEST = 1e30
"""No ratio, factor or Adjust field is larger: what is computed with it must fit into float32."""

_NOT = "NOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        blocks: names of blocks, ranges written out; empty: every block. "" among them is in every name.
        not_blocks: whether the rule is for all other blocks.
        elements: parts of key names; empty: every key. "" among them is in every name.
        not_elements: whether the rule is for keys with none of these parts.
        ratio: takes the place of alpha; or R, U, X.
    """

    blocks: tuple[str, ...]
    not_blocks: bool
    elements: tuple[str, ...]
    not_elements: bool
    ratio: float | str

    def meets(self, key: str, block: str, *, exact: bool) -> bool:
        """Whether the rule is for this key.

        Args:
            key: an LDM key.
            block: what the rules call its block.
            exact: whether a block's name must be the whole name; else any part of key and block, one behind the other.
        """
        if self.blocks and self.not_blocks == _block_fits(self.blocks, key, block, exact=exact):
            return False
        whole = key if exact else key + block
        return not self.elements or self.not_elements != any(part in whole for part in self.elements)


def _block_fits(names: tuple[str, ...], key: str, block: str, *, exact: bool) -> bool:
    return block in names if exact else any(name in key + block for name in names)


@lru_cache(maxsize=64)
def parse_elemental(text: str, calculation: str = "normal", *, extended: bool = False) -> tuple[Rule, ...]:
    """Read an elemental text.

    As SuperMerger does, every ``normal,`` (the calculation mode and a comma) is taken out of the text first.

    Args:
        text: the whole text.
        calculation: the calculation mode of the step.
        extended: whether ranges run over the 110 ids.

    Raises:
        RecipeError: an unknown block in a range, or a ratio that is no number: with the number of the segment.
    """
    return tuple(rule for _, rule in numbered_rules(text, calculation, extended=extended))


def numbered_rules(text: str, calculation: str = "normal", *, extended: bool = False) -> list[tuple[Named, Rule]]:
    """The rules of an elemental text, each with its place in it; the arguments are those of ``parse_elemental``.

    Raises:
        RecipeError: as there.
    """
    return [*_parsed_rules(_segments(text, calculation), EXTENDED_BLOCKS if extended else BLOCKS)]


def ignored_segments(text: str, calculation: str = "normal") -> list[str]:
    """The segments that are no rules, since they have not exactly two colons: SuperMerger passes over them silently."""
    segments = map(str.strip, _segments(text, calculation))
    return [segment for segment in segments if segment and segment.count(":") != 2]


def _segments(text: str, calculation: str) -> list[str]:
    return text.replace(f"{calculation},", "").replace("\n", ",").split(",")


def _parsed_rules(segments: Sequence[str], names: Sequence[str]) -> Iterator[tuple[Named, Rule]]:
    for number, segment in enumerate(segments, start=1):
        if segment.count(":") != 2:
            continue
        place = Named(f"elemental segment {number}, {segment.strip()!r}")
        try:
            yield place, _rule(segment.strip(), names)
        except RecipeError as error:
            raise error.under(place) from None


def _rule(segment: str, names: Sequence[str]) -> Rule:
    blocks, elements, ratio = segment.split(":")
    not_blocks, block_tokens = _tokens(blocks)
    not_elements, element_tokens = _tokens(elements)
    return Rule(
        blocks=tuple(name for token in block_tokens for name in _block_range(token, names)),
        not_blocks=not_blocks,
        elements=element_tokens,
        not_elements=not_elements,
        ratio=_parsed_ratio(ratio),
    )


def _tokens(field: str) -> tuple[bool, tuple[str, ...]]:
    """Single spaces separate, so two in a row, or one at an end, leave an empty token, which is in every name."""
    if not field:
        return False, ()
    first, *rest = field.split(" ")
    return (True, tuple(rest)) if first == _NOT else (False, (first, *rest))


def _block_range(token: str, names: Sequence[str]) -> list[str]:
    if "-" not in token:
        return [token]
    ends = [name.strip() for name in token.split("-")]
    if len(ends) != 2 or not {*ends} <= {*names}:
        raise RecipeError(
            f"{token!r} is no range of blocks", remedy=f"write one such as OUT03-OUT11 ({names[0]} to {names[-1]})"
        )
    first, last = sorted(names.index(name) for name in ends)
    return list(names[first : last + 1])


def _parsed_ratio(text: str) -> float | str:
    text = text.strip()
    if text in RANDOM_RATIOS:
        return text
    try:
        found = float(text)
    except ValueError:
        raise RecipeError(
            f"{text!r} is no ratio", remedy="write a number such as 0.5, or R, U or X for random ones"
        ) from None
    if not abs(found) <= LARGEST:
        raise RecipeError(f"the ratio is {text}", remedy="write a number such as 0.5")
    return found
