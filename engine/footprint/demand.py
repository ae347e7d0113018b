"""What a study asks of memory, what memory there is, and the form that fits the one into the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.architecture.widths import FamilyName, Widths
from engine.footprint.options import ANYTHING, MemoryOptions
from engine.footprint.weights import PartBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The memory that one engine may have, in bytes."""

    device: int
    """Of the device; on a CPU the same as ``ram``."""
    ram: int
    """Main memory."""
    is_gpu: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a study asks of memory."""

    widths: Widths
    precision: str
    """Of UNet and text encoders: fp32, fp16 or bf16."""
    width: int
    """Of the largest picture, in pixels."""
    height: int
    """Of the largest picture, in pixels."""
    pictures: int = 1
    """The most that can be made at once: those of a trial."""
    rows: int = 2
    """Rows of the UNet's batch for each picture."""
    parents: PartBytes
    """Of all parents, what the search moves; the rest is read from the files once."""
    parent_count: int = 2
    """Files of parents."""
    scorers: int = 0
    """Bytes of the scorers' encoders."""
    asked: MemoryOptions = ANYTHING
    """By the user."""
    device_sharers: int = 1
    """Engines that share the device, this one among them."""
    ram_sharers: int = 1
    """Engines that share main memory, this one among them."""

    @property
    def moves_text(self) -> bool:
        """Whether text encoders are built anew in trials, so that prompts have to be read anew."""
        return self.parents.text > 0


USUAL_SIZES: Mapping[FamilyName, tuple[int, int]] = {"sd1": (512, 768), "sd2": (768, 768), "sdxl": (1024, 1024)}
"""Width and height of usual pictures, by family."""
USUAL_BATCH = 4
"""Pictures at once for which memory is kept free, where as many are made."""


def usual_demand(widths: Widths, precision: str, parents: PartBytes) -> Demand:
    """Return what is asked where nobody says what will be rendered: some pictures of the family's usual size.

    Args:
        widths: Of the model.
        precision: Of UNet and text encoders.
        parents: Of all parents, what may be moved.
    """
    width, height = USUAL_SIZES[widths.family]
    return Demand(widths=widths, precision=precision, width=width, height=height, pictures=USUAL_BATCH, parents=parents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a model waits and works; without numbers of bytes."""

    waits: bool
    """Whether encoders and VAE wait in main memory while others are at work."""
    vae: str
    """The VAE's number format."""
    strips: bool
    """Whether the VAE works strip by strip."""
