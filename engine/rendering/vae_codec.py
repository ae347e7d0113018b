"""Latents to pictures and back with a live model's VAE, as many at once, and in a form, that fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from engine.errors import RenderError
from engine.rendering.batches import in_pieces
from engine.rendering.presence import Presence
from engine.rendering.vae_forms import VaeForms
from engine.rendering.vae_strips import decoded, encoded
from engine.shots.limits import LATENT_STEP
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

log = logging.getLogger(__name__)

DECODED_PIXELS = 2**20
"""The most pixels of all pictures decoded at once: about 4 GB with the full-size VAE."""
PicturesDone = Callable[[int], None]
"""``progress(count)``: called with the number of pictures just finished."""


class VaeModel(Protocol):
    """What pictures need of a live model: its VAE, in float32 and in eval mode."""

    @property
    def vae(self) -> AutoencoderKL:
        """The VAE, in float32 and in eval mode; where it works, or on the host."""
        ...


class Codec:
    """The VAE of one live model, whose weights may change between calls.

    Args:
        model: The live model.
        forms: In which form the VAE works; None: in that of its weights, on whole pictures, whatever memory there is.
        presence: Gives up other memory when one picture does not fit; None: there is none to give up.
    """

    def __init__(self, model: VaeModel, forms: VaeForms | None = None, presence: Presence | None = None) -> None:
        self._model, self._presence = model, presence or Presence()
        self.forms = forms
        self._logged: set[str] = set()
        self._pixels_at_once = DECODED_PIXELS

    def decode(self, shots: Sequence[Shot], latents: Tensor, progress: PicturesDone | None = None) -> Tensor:
        """Pictures ``(n, 3, h, w)`` float32 from 0 to 1, of latents ``(n, 4, h / 8, w / 8)``.

        Raises:
            RenderError: Pictures came out NaN or infinite (they are named by their shots), or there is too little
                memory for one.
        """
        height, width = (side * LATENT_STEP for side in latents.shape[-2:])
        pictures = torch.empty(len(latents), 3, height, width, device=latents.device)

        def work(piece: list[int]) -> None:
            decoded = self._widened(self._decoded, latents[piece])
            refuse_broken([shots[number] for number in piece], decoded, "the VAE", "picture")
            pictures[piece] = (decoded * 0.5 + 0.5).clamp_(0, 1)
            if progress:
                progress(len(piece))

        self._shrink_in_time(width * height, latents.device)
        self._pieces(len(latents), width * height, work)
        return pictures

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents ``(n, 4, h // 8, w // 8)`` float32 of pictures ``(n, 3, h, w)`` from 0 to 1.

        The mean of the encoder's distribution; the WebUI samples from the distribution, without a seed.

        Raises:
            RenderError: There is too little memory for one picture.
        """
        height, width = pictures.shape[-2:]
        latents = torch.empty(len(pictures), 4, height // LATENT_STEP, width // LATENT_STEP, device=pictures.device)

        def work(piece: list[int]) -> None:
            latents[piece] = self._widened(self._encoded, pictures[piece])

        self._shrink_in_time(width * height, pictures.device)
        self._pieces(len(pictures), width * height, work)
        return latents

    def _decoded(self, latents: Tensor) -> Tensor:
        """The VAE's output for latents, float32, about -1 to 1."""
        vae, dtype, scale = self._parts()
        if self._works_whole(latents.device):
            return vae.decode(latents.to(dtype) / scale, return_dict=False)[0].float()
        return decoded(vae, (latents / scale).to(self._dtype)).float()

    def _encoded(self, pictures: Tensor) -> Tensor:
        """The scaled latents of pictures from 0 to 1, float32."""
        vae, dtype, scale = self._parts()
        if self._works_whole(pictures.device):
            return vae.encode(pictures.to(dtype) * 2 - 1, return_dict=False)[0].mean.float() * scale
        return encoded(vae, (pictures * 2 - 1).to(self._dtype)).float() * scale

    def _widened(self, work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The result of the VAE in its number format, or in the first wider one in which it does not overflow."""
        forms = self.forms
        while True:
            result = work(x)
            if forms is None or forms.is_widest or bool(result.isfinite().all()):
                return result
            before = forms.format_name
            forms.widen()
            self._log_once(f"the VAE overflows in {before}: it works in {forms.format_name}")

    def _works_whole(self, device: torch.device) -> bool:
        """Whether the live weights are used in their place, on whole pictures."""
        if self.forms is None:
            return True
        return not self.forms.in_strips and next(self._model.vae.parameters()).device == device

    @property
    def _dtype(self) -> torch.dtype:
        return self.forms.dtype if self.forms else torch.float32

    def _parts(self) -> tuple[Any, torch.dtype, float]:
        vae: Any = self._model.vae  # typed by diffusers with names of tensors that are never made
        return vae, next(vae.parameters()).dtype, vae.config["scaling_factor"]

    def _pieces(self, count: int, pixels: int, work: Callable[[list[int]], None]) -> None:
        most = max(1, self._pixels_at_once // pixels)
        fitted = in_pieces(list(range(count)), most, work, lambda: self._take_less() or self._presence.make_room())
        if fitted < most:
            self._pixels_at_once = fitted * pixels

    def _take_less(self) -> bool:
        """Take less memory, or let others go to the host: first what keeps pictures as they are."""
        return self._shrink(halves=False) or self._presence.send_all_away() or self._shrink(halves=True)

    def _shrink(self, *, halves: bool) -> bool:
        if self.forms is None or not self.forms.shrink(halves=halves):
            return False
        self._log_once(f"memory is short: the VAE works in {self.forms} from now on")
        return True

    def _log_once(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            log.warning(text)

    def _shrink_in_time(self, pixels: int, device: torch.device) -> None:
        """Take a smaller form before memory runs out where the device says how much is free.

        Windows' driver does not say that memory ran out; it goes on in the host's, many times slower.
        """
        while self.forms is not None and (free := free_memory(device)) is not None:
            if free >= self.forms.bytes_for(pixels) or not self._take_less():
                return


def free_memory(device: torch.device) -> int | None:
    """Return how many bytes of a CUDA device new tensors can take; None for a CPU."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def refuse_broken(shots: Sequence[Shot], values: Tensor, part: str, what: str) -> None:
    """Refuse values that are not all finite.

    Raises:
        RenderError: Every shot whose values are NaN or infinite is named.
    """
    whole = values.isfinite().flatten(1).all(1).tolist()
    broken = [shot.label for shot, good in zip(shots, whole, strict=True) if not good]
    if broken:
        raise RenderError(
            f"{part} gave NaN or infinite {what} for {len(broken)} of {len(shots)} shots rendered together:\n"
            + "\n".join(f"  {label}" for label in broken)
            + '\nThe recipe drives weights out of range, or precision "fp16" is too narrow for them: bring its numbers '
            'closer to neutral, or choose precision "fp32"'
        )
