"""What people say that blocks, sites and Adjust values do, each claim with its source and how a probe can test it.

These are facts about what was said, in our words; whether it holds is what `folklore` asks the pair. The article that
this project follows ("Mind 1") does not print its matrix of blocks again: it warns that pairs mostly do not do what
the matrix says. So the claims are those of its text, of SuperMerger's own pages, and of people who published recipes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ARTICLE = "Tofu's article on how he merges"
"""The article whose path this project follows."""
SUPERMERGER = "SuperMerger, Elemental Merge and Adjust"
"""The page of the extension on elements and on Adjust."""
ELEMENTAL = "https://github.com/hako-mikan/sd-webui-supermerger/blob/main/elemental_en.md"
"""Address of that page."""
EKMIX = "EK12317, Ekmix-Diffusion"
"""The model card of a merge made by many trials."""
EKMIX_CARD = "https://huggingface.co/EK12317/Ekmix-Diffusion"
"""Address of that card."""
ORANGE = "OrangeMixs, discussion 66"
"""A thread on how to use SuperMerger."""
ORANGE_THREAD = "https://huggingface.co/WarriorMama777/OrangeMixs/discussions/66"
"""Address of that thread."""
BBCMC = "bbcmc, report on the layers of Waifu Diffusion 1.3"
"""A report on single blocks of one model, by the author of Merge Block Weighted."""
BBCMC_NOTE = "https://note.com/bbcmc/n/n886576e5e770"
"""Address of that report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stronger:
    """Some knobs change a measure more than others do, on average.

    Attributes:
        knobs: those that are said to be strong.
        than: the others; empty: all other blocks.
        measure: name of a column of the result.
    """

    knobs: tuple[str, ...]
    measure: str
    than: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Raises:
    """A knob's larger value gives more of a measure that has a sign."""

    knob: str
    measure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A knob changes a measure at all."""

    knob: str
    measure: str


ClaimTest = Stronger | Raises | Changes
"""How a claim is tested on what a probe measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody says, and its test."""

    text: str
    source: str
    address: str = ""
    test: ClaimTest


def _numbered(side: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{side}{number:02d}" for number in range(first, last + 1))


def _said(source: str, tests: Mapping[str, ClaimTest], address: str = "") -> Iterator[Claim]:
    """The claims of one source, each with its test."""
    return (Claim(text=text, source=source, address=address, test=test) for text, test in tests.items())


_ARTICLE: Mapping[str, ClaimTest] = {
    "what carries most lies on the way up: OUT03 to OUT11": Stronger(knobs=_numbered("OUT", 3, 11), measure="pixels"),
    "the convolutions in OUT05 and OUT08 count for how drawn a picture looks": Stronger(
        knobs=("OUT05", "OUT08"), measure="style"
    ),
    "the self-attention of OUT05 changes gloss and texture": Changes(knob="self:OUT05:attn1", measure="detail"),
    "the self-attention of OUT08 changes gloss and texture": Changes(knob="self:OUT08:attn1", measure="detail"),
    "what the prompt says acts through cross-attention (attn2), not self-attention (attn1)": Stronger(
        knobs=("*:attn2",), than=("*:attn1",), measure="fidelity"
    ),
    "Adjust's CONT raises the contrast": Raises(knob="adjust:CONT", measure="contrast"),
    "more contrast by Adjust's CONT brings stronger colours with it": Raises(knob="adjust:CONT", measure="saturation"),
}
_SUPERMERGER: Mapping[str, ClaimTest] = {
    "IN07, OUT03, OUT04 and OUT05 have a strong influence, by their attention": Stronger(
        knobs=("IN07", "OUT03", "OUT04", "OUT05"), measure="pixels"
    ),
    **{
        f"Adjust's {field} above 0 adds detail": Raises(knob=f"adjust:{field}", measure="detail")
        for field in ("IN", "OUT", "OUT2")
    },
    "the composition changes more easily with Adjust's IN than with OUT": Stronger(
        knobs=("adjust:IN",), than=("adjust:OUT",), measure="composition"
    ),
    "Adjust's CONT changes the brightness too": Changes(knob="adjust:CONT", measure="brightness"),
    **{
        f"Adjust's {field} changes the balance of colours": Changes(knob=f"adjust:{field}", measure="colour")
        for field in ("COL1", "COL2", "COL3")
    },
}
_EKMIX: Mapping[str, ClaimTest] = {
    "OUT10 and OUT11 have a strong effect on colour": Stronger(knobs=("OUT10", "OUT11"), measure="colour"),
    "OUT03, OUT06 and OUT08 change shadows": Stronger(knobs=("OUT03", "OUT06", "OUT08"), measure="brightness"),
    "OUT05 and OUT03 decide whether the style is drawn or real": Stronger(knobs=("OUT03", "OUT05"), measure="style"),
    "IN02 is about lines": Stronger(knobs=("IN02",), measure="detail"),
    "IN05 may change colour": Stronger(knobs=("IN05",), measure="colour"),
    "IN07 changes the composition a lot": Stronger(knobs=("IN07",), measure="composition"),
}
_ORANGE: Mapping[str, ClaimTest] = {
    "the first and the last blocks (read here as IN00, IN01, OUT10, OUT11) have a large effect on style": Stronger(
        knobs=("IN00", "IN01", "OUT10", "OUT11"), measure="style"
    ),
    "the middle block, M00, has an effect on composition": Stronger(knobs=("M00",), measure="composition"),
}
_BBCMC: Mapping[str, ClaimTest] = {
    "IN00 and OUT11 change the whole picture most (of one model whose blocks were weakened)": Stronger(
        knobs=("IN00", "OUT11"), measure="pixels"
    ),
}
CLAIMS: tuple[Claim, ...] = (
    *_said(ARTICLE, _ARTICLE),
    *_said(SUPERMERGER, _SUPERMERGER, ELEMENTAL),
    *_said(EKMIX, _EKMIX, EKMIX_CARD),
    *_said(ORANGE, _ORANGE, ORANGE_THREAD),
    *_said(BBCMC, _BBCMC, BBCMC_NOTE),
)
"""All claims, by source. They speak of the 26 blocks of SD1."""
