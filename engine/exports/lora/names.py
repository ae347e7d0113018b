"""The layers that a LoRA can change, under the names that kohya's sd-scripts gives them.

SD1 and SD2 have diffusers' names of the UNet's modules, SDXL the original ones, as sd-scripts trains it on the original
UNet; text encoders have transformers' names everywhere. AUTOMATIC1111, ComfyUI and diffusers read these.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from engine.architecture.keymap import Component, fills
from engine.architecture.layout import UNET
from engine.architecture.widths import FamilyName, Widths
from engine.live.model import part_of

_TEXTS: dict[FamilyName, dict[Component, str]] = {
    "sd1": {"text": "lora_te_"},
    "sd2": {"text": "lora_te_"},
    "sdxl": {"text": "lora_te1_", "text_g": "lora_te2_"},
}
_TEXT_LAYERS = "text_model.encoder.layers."


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A matrix or a convolution of a model.

    Attributes:
        name: of the layer in a LoRA file.
        weight: ``(out, in)`` or ``(out, in, height, width)``.
    """

    name: str
    weight: Tensor


def layers_of(key: str, tensor: Tensor, widths: Widths) -> list[Layer]:
    """Return the layers whose weights a tensor holds; none where no LoRA can change it.

    Args:
        key: an LDM key.
        tensor: of that key, or the difference of two.
        widths: of the model.
    """
    if not key.endswith("weight") or tensor.ndim not in {2, 4}:
        return []
    named = [(fill, _name(key, fill.component, fill.name, widths.family)) for fill in fills(key, widths)]
    return [Layer(name=name, weight=part_of(fill, tensor)) for fill, name in named if name]


def _name(key: str, component: Component, parameter: str, family: FamilyName) -> str | None:
    module = parameter.removesuffix(".weight")
    if component == "unet":
        return _joined("lora_unet_", key.removeprefix(UNET).removesuffix(".weight") if family == "sdxl" else module)
    prefix = _TEXTS[family].get(component)
    module = f"text_model.{module}" if component == "text" else module
    return _joined(prefix, module) if prefix and module.startswith(_TEXT_LAYERS) else None


def _joined(prefix: str, module: str) -> str:
    return prefix + module.replace(".", "_")
