"""What can be asked of memory and speed: where parents and encoders wait, how the VAE works, whether to compile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

AUTO: Final = "auto"
"""Leaves a choice to the memory there is."""
Residence = Literal["device", "host", "disk"]
"""Where parents lie: beside the live model, in main memory (pinned where the device is a GPU), or in their files."""
RESIDENCES: Final[tuple[Residence, ...]] = ("device", "host", "disk")
"""From the quickest to the one that takes no memory."""
PARENTS: Final = (AUTO, *RESIDENCES)
"""Where parents can be asked to lie."""
ENCODERS: Final = (AUTO, "device", "host")
"""Where text encoders, VAE and the scorers' encoders can be asked to wait while others are at work."""
VAE_PRECISIONS: Final = (AUTO, "fp32", "fp16", "bf16")
"""In which number format a VAE can be asked to work; `auto` is fp32, and fp16 where not even that in strips fits."""
SPEEDS: Final = (AUTO, "eager", "compile")
"""How the UNet can be called: as it is, or with compiled blocks, which on CUDA are recorded as CUDA graphs too; `auto`
is `eager`, whose pictures are those of every earlier version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryOptions:
    """What a user asks of memory; every choice is left to the memory there is, unless it says otherwise."""

    parents: str = AUTO
    """One of ``PARENTS``."""
    encoders: str = AUTO
    """One of ``ENCODERS``."""
    vae_precision: str = AUTO
    """One of ``VAE_PRECISIONS``."""


ANYTHING = MemoryOptions()
"""Leaves every choice to the memory there is."""
