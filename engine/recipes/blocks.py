"""The blocks of a checkpoint and the block of every key, as SuperMerger's dialects give them.

Three lists: 26 blocks (SD1, SD2), 20 (SDXL), 110 (SDXL in the dialect ``head``, "extended"). BASE is everything that is
no UNet block, so the text encoder and the VAE as well. Keys are the original ("LDM") names, such as
``model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError, did_you_mean
from engine.recipes.dialects import EIGHT_FIELDS, Dialect

BLOCKS: tuple[str, ...] = (
    "BASE",
    *(f"IN{n:02d}" for n in range(12)),
    "M00",
    *(f"OUT{n:02d}" for n in range(12)),
)
UNET_BLOCKS: tuple[str, ...] = BLOCKS[1:]
XL_BLOCKS: tuple[str, ...] = ("BASE", *(f"IN{n:02d}" for n in range(9)), "M00", *(f"OUT{n:02d}" for n in range(9)))

_TEN = range(10)
EXTENDED_BLOCKS: tuple[str, ...] = (
    "CLIPL", "CLIPG", "IN0",  # no key belongs to IN0
    "IN00", "IN10", "IN20", "IN30", "IN40", "IN41", "IN410", "IN411", "IN50", "IN51", "IN510", "IN511", "IN60",
    "IN70", "IN71", *(f"IN71{n}" for n in _TEN), "IN80", "IN81", *(f"IN81{n}" for n in _TEN),
    "MID00", "MID10", *(f"MID10{n}" for n in _TEN), "MID20",
    "OUT00", "OUT01", *(f"OUT01{n}" for n in _TEN), "OUT10", "OUT11", *(f"OUT11{n}" for n in _TEN),
    "OUT20", "OUT21", *(f"OUT21{n}" for n in _TEN), "OUT22", "OUT30", "OUT31", "OUT310", "OUT311",
    "OUT40", "OUT41", "OUT410", "OUT411", "OUT50", "OUT51", "OUT510", "OUT511", "OUT52", "OUT60", "OUT70", "OUT80",
    "OUT9", "TIME", "LABEL", "VAE",
)  # fmt: skip
"""IN, MID or OUT, then the number of the block, of the part in it, and of the transformer in that."""

ELEMENTAL_NAMES: dict[str, str] = dict(zip(XL_BLOCKS, BLOCKS, strict=False))
"""What SuperMerger calls the blocks of SDXL in elemental rules: the 26 names by position, so M00 is IN09 there."""

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

ADJUST_FIELDS = EIGHT_FIELDS

_NUMBERED = (
    (re.compile(r"\.input_blocks\.(\d+)\."), "IN{:02d}"),
    (re.compile(r"\.middle_block\.(\d+)\."), "M00"),
    (re.compile(r"\.output_blocks\.(\d+)\."), "OUT{:02d}"),
)
_UNET = "model.diffusion_model."
_XL_PLACES: tuple[tuple[str, str, str], ...] = (
    ("conditioner.embedders.0.", "BASE", "CLIPL"),
    ("conditioner.embedders.1.", "BASE", "CLIPG"),
    ("first_stage_model", "BASE", "VAE"),
    (f"{_UNET}out.", "OUT08", "OUT9"),
)
"""Part of an SDXL key, its block among the 20 and among the 110."""
_XL_NUMBERED = (
    (re.compile(r"\.input_blocks\.(\d+)\.(\d+)\.(?:transformer_blocks\.(\d+)\.)?"), "IN"),
    (re.compile(r"\.middle_block\.()(\d+)\.(?:transformer_blocks\.(\d+)\.)?"), "MID"),
    (re.compile(r"\.output_blocks\.(\d+)\.(\d+)\.(?:transformer_blocks\.(\d+)\.)?"), "OUT"),
)
_SD1_POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
KEYS_REMEMBERED = 1 << 15  # a plan asks for every key of a model, trial after trial
_ELEMENT = re.compile(r"[a-z0-9_.]*")


_MIDDLE = ("M", "M0", "M01", "MID", "MID0", "MID00", "MIDDLE")
"""What people call M00."""


def block_hint(name: str, names: Sequence[str]) -> str:
    """The way out for a name that is no block: the one that was probably meant, or all that there are.

    Args:
        name: as it was written.
        names: the blocks that there are.
    """
    if name.upper() in _MIDDLE and "M00" in names:
        return "did you mean M00?"
    numbered = re.fullmatch(r"([A-Za-z]+)(\d)", name)  # OUT5 is nearer to OUT05 than to OUT15
    word = f"{numbered.group(1)}0{numbered.group(2)}" if numbered else name
    return did_you_mean(word, names)


def element_hint(name: str) -> str:
    """The way out for an element that is part of no key: the one that was probably meant, or how to write one."""
    return did_you_mean(name, ELEMENTS, otherwise="write a part of a key name, such as attn1 or ff.net")


def blocks_of(family: FamilyName) -> tuple[str, ...]:
    """The 26 blocks of SD1 and SD2, or the 20 of SDXL."""
    return XL_BLOCKS if family == "sdxl" else BLOCKS


@lru_cache(maxsize=KEYS_REMEMBERED)
def is_merged(key: str) -> bool:
    """Whether a key takes part in a merge, as far as its name says (``position_ids``, ``betas``: no)."""
    return "model" in key and ("weight" in key or "bias" in key)


def takes_part(key: str, dialect: Dialect) -> bool:
    """Whether a key takes part in a merge of a dialect, as far as its name says.

    AUTOMATIC1111's own merger takes every key with "model" in its name but the position numbers of SD1.
    """
    return "model" in key and key != _SD1_POSITIONS if dialect.webui else is_merged(key)


@lru_cache(maxsize=KEYS_REMEMBERED)
def block_of(key: str, time_embed: str = "OUT11") -> str:
    """The block of a key of SD1 or SD2: the first rule that fits, BASE where none does.

    Args:
        key: an LDM key.
        time_embed: the block of ``time_embed``, which the dialect says.
    """
    if "time_embed" in key:
        return time_embed
    if ".out." in key:
        return "OUT11"
    for pattern, name in _NUMBERED:
        if match := pattern.search(key):
            return name.format(int(match.group(1)))
    return "BASE"


@lru_cache(maxsize=KEYS_REMEMBERED)
def xl_block_of(key: str, embeddings: str | None = None) -> tuple[str, str] | None:
    """The block of a key of SDXL, among the 20 and among the 110; None for keys that are never merged.

    Args:
        key: an LDM key.
        embeddings: the block of ``time_embed`` and ``label_emb`` among the 20; None: they are never merged.
    """
    for part, extended in (("label_emb", "LABEL"), ("time_embed", "TIME")):
        if part in key:
            return (embeddings, extended) if embeddings else None
    for part, block, extended in _XL_PLACES:
        if part in key:
            return block, extended
    for pattern, side in _XL_NUMBERED:
        if match := pattern.search(key):
            return _xl_numbered(side, *match.groups())
    return None


def _xl_numbered(side: str, number: str, part: str, transformer: str | None) -> tuple[str, str]:
    inner = transformer or ""
    if side == "MID":
        return "M00", f"MID{part}0{inner}"
    return f"{side}0{number}", f"{side}{number}{part}{inner}"


def place_of(key: str, family: FamilyName, dialect: Dialect) -> tuple[str, str] | None:
    """The block of a key and its extended id (the block again, but for SDXL); None for keys never merged.

    Args:
        key: an LDM key.
        family: of the models.
        dialect: whose rules hold.
    """
    if not takes_part(key, dialect):
        return None
    if dialect.webui:
        return "BASE", "BASE"
    if family == "sdxl":
        return xl_block_of(key, dialect.xl_embeddings)
    block = block_of(key, dialect.time_embed)
    return block, block


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Site:
    """A (block, element) pair: the keys of ``block`` whose name contains ``element`` ("" is the whole block)."""

    block: str
    element: str

    def __post_init__(self) -> None:
        if self.block not in BLOCKS:
            raise RecipeError(f"there is no block {self.block!r}", remedy=block_hint(self.block, BLOCKS))
        named = any(letter.isalpha() for letter in self.element)
        if not _ELEMENT.fullmatch(self.element) or (self.element and not named):
            raise RecipeError(
                f"{self.element!r} is no element",
                remedy="write a part of a key name in lower case, such as attn1 or ff.net",
            )
        if self.element and self.element in _UNET and self.block != "BASE":
            raise RecipeError(
                f"{self.element!r} is part of every UNet key ({_UNET})",
                remedy=f"write more of the name, such as ff.net, or {self.block}: for the whole block",
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
            raise RecipeError(f"{text!r} is no site", remedy="write block:element, such as OUT05:attn1")
        return cls(block=block, element=element)
