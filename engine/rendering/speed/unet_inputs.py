"""The inputs of one UNet call, as one value that can be compared, copied and repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

Signature = tuple[tuple[str, torch.Size, torch.dtype], ...]
"""Names, shapes and types of inputs: what a compiled or recorded call is made for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnetInputs:
    """What the UNet is called with; the tensors are not changed.

    Attributes:
        sample: The scaled latents ``(rows, 4, h, w)``.
        timestep: The time, a tensor of no dimensions.
        contexts: ``(rows, tokens, width)``.
        mask: ``(rows, tokens)``, 1 for tokens and 0 for hidden ones; None where none is hidden.
        pooled: SDXL's pooled texts ``(rows, width)``; None for other families.
        sizes: SDXL's size conditioning ``(rows, 6)``; None for other families.
    """

    sample: Tensor
    timestep: Tensor
    contexts: Tensor
    mask: Tensor | None = None
    pooled: Tensor | None = None
    sizes: Tensor | None = None

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> UnetInputs:
        """Return the inputs with these tensors by name, as ``tensors`` has them."""
        return cls(**tensors)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, without those that are None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def signature(self) -> Signature:
        """Names, shapes and types."""
        return tuple((name, tensor.shape, tensor.dtype) for name, tensor in self.tensors.items())

    def output(self, unet: UNet2DConditionModel) -> Tensor:
        """Call the UNet and return its output ``(rows, 4, h, w)``."""
        inputs: dict[str, Any] = {"encoder_hidden_states": self.contexts}
        if self.mask is not None:
            inputs["encoder_attention_mask"] = self.mask
        if self.pooled is not None:
            inputs["added_cond_kwargs"] = {"text_embeds": self.pooled, "time_ids": self.sizes}
        sample: Any = self.sample  # diffusers annotates a FloatTensor
        return unet(sample, self.timestep, **inputs, return_dict=False)[0]
