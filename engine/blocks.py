"""The 26 blocks of an SD1 checkpoint and the key rules of SuperMerger's dialect ``classic``.

``classic`` is SuperMerger as of 2025-06 to 2025-11, the last one that merges SD1: ``time_embed`` belongs to OUT11,
and BASE is everything that is no UNet block, so the text encoder and the VAE as well. Keys are the original
("LDM") names, such as ``model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from engine.errors import RecipeError

DIALECTS = ("classic",)

BLOCKS: tuple[str, ...] = (
    "BASE",
    *(f"IN{n:02d}" for n in range(12)),
    "M00",
    *(f"OUT{n:02d}" for n in range(12)),
)
UNET_BLOCKS: tuple[str, ...] = BLOCKS[1:]

ELEMENTS: tuple[str, ...] = (
    "attn1",
    "attn2",
    "ff.net",
    "proj",
    "emb_layers",
    "in_layers",
    "out_layers",
    "skip_connection",
    "op",
    "conv",
)
"""Names offered for sites; any other part of a key name works too.

``ff.net`` and not ``ff``, which is part of every UNet key ("diffusion"); no ``norm``, which no self step reaches.
"""

ADJUST_FIELDS: tuple[str, ...] = ("IN", "OUT", "OUT2", "CONT", "BRI", "COL1", "COL2", "COL3")

_NUMBERED = (
    (re.compile(r"\.input_blocks\.(\d+)\."), "IN{:02d}"),
    (re.compile(r"\.middle_block\.(\d+)\."), "M00"),
    (re.compile(r"\.output_blocks\.(\d+)\."), "OUT{:02d}"),
)
_SELF_SKIPS = ("to_out", "proj_out", "norm")
_EVERYWHERE = "model.diffusion_model."
KEYS_REMEMBERED = 8192  # a plan asks for every key of a model, trial after trial
_ELEMENT = re.compile(r"[a-z0-9_.]*")


@lru_cache(maxsize=KEYS_REMEMBERED)
def block_of(key: str) -> str:
    """The block of an LDM key: the first rule that fits, BASE where none does."""
    if "time_embed" in key or ".out." in key:
        return "OUT11"
    for pattern, name in _NUMBERED:
        if match := pattern.search(key):
            return name.format(int(match.group(1)))
    return "BASE"


@lru_cache(maxsize=KEYS_REMEMBERED)
def is_merged(key: str) -> bool:
    """Whether a key takes part in a merge, as far as its name says (``position_ids``, ``betas``: no)."""
    return "model" in key and ("weight" in key or "bias" in key)


def self_applies(key: str) -> bool:
    """Whether a self step may multiply this key: not output projections, not norms."""
    return is_merged(key) and not any(part in key for part in _SELF_SKIPS)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Site:
    """A (block, element) pair: the keys of ``block`` whose name contains ``element`` ("" is the whole block)."""

    block: str
    element: str

    def __post_init__(self) -> None:
        if self.block not in BLOCKS:
            raise RecipeError(f"there is no block {self.block!r}; the blocks are BASE, IN00..IN11, M00, OUT00..OUT11")
        named = any(letter.isalpha() for letter in self.element)
        if not _ELEMENT.fullmatch(self.element) or (self.element and not named):
            raise RecipeError(
                f"{self.element!r} is no element; write a part of a key name in lower case, such as attn1 or ff.net"
            )
        if self.element and self.element in _EVERYWHERE and self.block != "BASE":
            raise RecipeError(
                f"{self.element!r} is part of every UNet key ({_EVERYWHERE}); write more of the name, such as ff.net, "
                f"or {self.block}: for the whole block"
            )

    def __str__(self) -> str:
        return f"{self.block}:{self.element}"

    @classmethod
    def parse(cls, text: str) -> Site:
        """Read ``OUT05:attn1``.

        Raises:
            RecipeError: no colon, an unknown block, or an element that no key name can contain.
        """
        block, colon, element = text.strip().partition(":")
        if not colon:
            raise RecipeError(f"{text!r} is no site; write block:element, such as OUT05:attn1")
        return cls(block=block, element=element)

    def matches(self, key: str) -> bool:
        """Whether ``key`` belongs to this site."""
        return self.element in key and block_of(key) == self.block
