"""In which number format a VAE works, and whether in strips: as asked, or as memory and the VAE's numbers allow.

A VAE whose numbers overflow in a narrow format gives NaN; then a wider one takes over until the VAE changes, as
AUTOMATIC1111's WebUI 1.10 does with "Automatically revert VAE to 32-bit floats" (``decode_latent_batch`` in its
modules/processing.py) and "Automatically convert VAE to bfloat16".
"""

from __future__ import annotations

import torch

from engine.footprint.activations import DECODE_ELEMENTS, STRIP_BYTES, STRIP_ELEMENTS
from engine.footprint.demand import Form
from engine.footprint.options import AUTO

FROM: dict[str, tuple[torch.dtype, ...]] = {
    "fp32": (torch.float32,),
    "bf16": (torch.bfloat16, torch.float32),
    "fp16": (torch.float16, torch.bfloat16, torch.float32),
}
"""The formats that are tried for each that is asked for, the first first."""
NAMES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
"""What the formats are called."""


class VaeForms:
    """The form in which one VAE works now.

    Args:
        precision: One of ``engine.footprint.options.VAE_PRECISIONS``; "auto": fp32; when memory is short, in strips and
            then in fp16.
        device: Where the VAE works.
        planned: How it begins, as far as the precision leaves it open; None: on whole pictures, and "auto" in fp32.

    Attributes:
        in_strips: Whether it works strip by strip; fp16 and bf16 always do.
    """

    def __init__(self, precision: str, device: torch.device, planned: Form | None = None) -> None:
        self._precision = precision
        self._lacking = frozenset() if knows_bf16(device) else frozenset({torch.bfloat16})
        self._too_narrow: frozenset[torch.dtype] = frozenset()
        self._halves = (planned.vae if planned and precision == AUTO else precision) in {"fp16", "bf16"}
        self.in_strips = self._halves or (planned is not None and planned.strips)

    @property
    def dtype(self) -> torch.dtype:
        """The number format."""
        return self._formats[0]

    @property
    def is_widest(self) -> bool:
        """Whether no wider format can take over."""
        return len(self._formats) == 1

    def bytes_for(self, pixels: int) -> int:
        """Return about how many bytes decoding takes at its peak."""
        elements, more = (STRIP_ELEMENTS, STRIP_BYTES) if self.in_strips else (DECODE_ELEMENTS, 0)
        return int(pixels * elements * self.dtype.itemsize) + more

    def __str__(self) -> str:
        """Such as ``fp32``, ``fp32 in strips`` or ``fp16 in strips``."""
        return self.format_name + (" in strips" if self.in_strips else "")

    @property
    def format_name(self) -> str:
        """The name of the number format, as it is asked for."""
        return NAMES[self.dtype]

    def widen(self) -> None:
        """Leave the format, in which numbers overflowed, until ``forget``; there has to be a wider one."""
        self._too_narrow |= {self.dtype}

    def shrink(self, *, halves: bool) -> bool:
        """Take less memory from now on: in strips, or with ``halves`` in fp16; return whether that was possible."""
        if halves:
            possible = self._precision == AUTO and not self._halves
            self._halves = self._halves or possible
        else:
            possible = not self.in_strips
        self.in_strips = True
        return possible

    def forget(self) -> None:
        """Try narrow formats again: the VAE has changed."""
        self._too_narrow = frozenset()

    @property
    def _formats(self) -> list[torch.dtype]:
        """The formats that are left to try; the last is always float32."""
        asked = self._precision if self._precision != AUTO else "fp16" if self._halves else "fp32"
        return [one for one in FROM[asked] if one not in self._lacking | self._too_narrow]


def knows_bf16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16 itself; torch only imitates it on GPUs before NVIDIA's Ampere."""
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
