"""The numbers that describe a checkpoint's architecture: its family and the widths of its parts.

SD1, SD2 and SDXL are three architectures; within each, full-size and tiny files differ in widths and depths alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FamilyName = Literal["sd1", "sd2", "sdxl"]
FAMILIES: tuple[FamilyName, ...] = ("sd1", "sd2", "sdxl")
"""All values of ``FamilyName``."""
END = 49407
"""The id of the token that ends every text."""

EncoderKind = Literal["clip", "openclip"]
Shape = tuple[int, ...]
NamedShape = tuple[str, Shape]
"""The name of a tensor and its shape."""

UNET = "model.diffusion_model."
"""How the UNet's keys begin."""
VAE = "first_stage_model."
"""How the VAE's keys begin."""
TEXT = "cond_stage_model.transformer.text_model."
"""How the keys of SD1's text encoder begin."""
SD2_TEXT = "cond_stage_model.model."
"""How the keys of SD2's text encoder begin."""
SDXL_TEXT_L = "conditioner.embedders.0.transformer.text_model."
"""How the keys of SDXL's first text encoder, CLIP-L, begin."""
SDXL_TEXT_G = "conditioner.embedders.1.model."
"""How the keys of SDXL's second text encoder, OpenCLIP-G, begin."""
LATENT_CHANNELS = 4
"""The channels of latents."""
SD2_LAYERS = 23
"""The layers of SD2's text encoder whose output is used."""
SIZES = 6
"""The numbers of SDXL's size conditioning: original size, crop and target size, two each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """One text encoder of a checkpoint.

    Attributes:
        kind: ``clip`` has OpenAI's names in transformers' spelling, ``openclip`` those of open_clip.
        prefix: what its keys begin with.
        width, layers, hidden: of the transformer; ``hidden`` is inside its MLPs. ``openclip`` ends in a square
            ``text_projection`` of ``width``.
        vocabulary, positions: rows of its two tables.
    """

    kind: EncoderKind
    prefix: str
    width: int
    layers: int
    hidden: int
    vocabulary: int
    positions: int

    @property
    def used_layers(self) -> int:
        """How many layers are used: SD2 does not use OpenCLIP-H's 24th, and some files lack it."""
        return min(self.layers, SD2_LAYERS) if self.prefix == SD2_TEXT else self.layers

    @property
    def projects(self) -> bool:
        """Whether its projection is used, as for SDXL's pooled text."""
        return self.prefix == SDXL_TEXT_G


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """The numbers that describe a file's architecture; the defaults are SD1.5's.

    Attributes:
        family: ``sd1``, ``sd2`` or ``sdxl``.
        unet: channels of each level of the UNet, the finest first: four, or SDXL's three.
        depths: transformer blocks of each attention of a level, 0 where a level has none.
        inputs: channels that the UNet reads: 4, or 9 (inpainting), or 8 (InstructPix2Pix).
        vector: what ``label_emb`` reads: SDXL's pooled text and six embedded sizes; 0 for the others.
        vae: channels of each level of the VAE.
        text, text_layers, text_hidden: the text encoder, SDXL's CLIP-L; ``text_layers`` are those in the file.
        text_g, text_g_layers, text_g_hidden: SDXL's second encoder, OpenCLIP-G; 0 for the others.
        vocabulary, positions: of all text encoders.
    """

    family: FamilyName = "sd1"
    unet: tuple[int, ...] = (320, 640, 1280, 1280)
    depths: tuple[int, ...] = (1, 1, 1, 0)
    inputs: int = LATENT_CHANNELS
    vector: int = 0
    vae: tuple[int, int, int, int] = (128, 256, 512, 512)
    text: int = 768
    text_layers: int = 12
    text_hidden: int = 3072
    text_g: int = 0
    text_g_layers: int = 0
    text_g_hidden: int = 0
    vocabulary: int = 49408
    positions: int = 77

    def __str__(self) -> str:
        second = f" and {self.text_g} x {self.text_g_layers}" if self.text_g else ""
        depths = f" with depths {_comma_separated(self.depths)}" if self.family == "sdxl" else ""
        text = f"text {self.text} x {self.text_layers}{second} layers"
        return f"UNet {_comma_separated(self.unet)}{depths}, VAE {_comma_separated(self.vae)}, {text}"

    @property
    def context(self) -> int:
        """Width of the UNet's cross-attention inputs: the outputs of all text encoders, concatenated."""
        return self.text + self.text_g

    @property
    def middle_depth(self) -> int:
        """Transformer blocks of the middle block: as many as on the coarsest level that has any."""
        return next(depth for depth in reversed(self.depths) if depth)

    @property
    def linear_projections(self) -> bool:
        """Whether ``proj_in`` and ``proj_out`` are matrices; SD1's are 1x1 convolutions."""
        return self.family != "sd1"

    @property
    def encoders(self) -> tuple[TextEncoder, ...]:
        """The text encoders, in the order in which their outputs are concatenated."""
        if self.family == "sd1":
            return (self._encoder("clip", TEXT),)
        if self.family == "sd2":
            return (self._encoder("openclip", SD2_TEXT),)
        second = TextEncoder(
            kind="openclip",
            prefix=SDXL_TEXT_G,
            width=self.text_g,
            layers=self.text_g_layers,
            hidden=self.text_g_hidden,
            vocabulary=self.vocabulary,
            positions=self.positions,
        )
        return (self._encoder("clip", SDXL_TEXT_L), second)

    def _encoder(self, kind: EncoderKind, prefix: str) -> TextEncoder:
        return TextEncoder(
            kind=kind,
            prefix=prefix,
            width=self.text,
            layers=self.text_layers,
            hidden=self.text_hidden,
            vocabulary=self.vocabulary,
            positions=self.positions,
        )


SD1 = Widths()
"""The widths of Stable Diffusion 1.x."""
SD2 = Widths(family="sd2", text=1024, text_layers=24, text_hidden=4096)
"""The widths of Stable Diffusion 2.x."""
SDXL = Widths(
    family="sdxl",
    unet=(320, 640, 1280),
    depths=(0, 2, 10),
    vector=1280 + SIZES * 256,
    text_g=1280,
    text_g_layers=32,
    text_g_hidden=5120,
)
"""The widths of SDXL 1.0."""
REAL: dict[FamilyName, Widths] = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL}
"""The released widths of each family."""


def _comma_separated(widths: tuple[int, ...]) -> str:
    return ",".join(str(width) for width in widths)


def same_shape(first: Shape, second: Shape) -> bool:
    """Return whether shapes are equal but for trailing ones: some tools store 1x1 convolutions as matrices."""
    return _trimmed(first) == _trimmed(second)


def _trimmed(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
