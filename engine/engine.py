"""The engine as its callers see it: open the parents once, then build recipes and render shots in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from engine.architecture.configs import PREDICTIONS
from engine.architecture.prediction import ZTSNR
from engine.checkpoints.checkpoint import BytesRead, has_vae
from engine.checkpoints.vae import read_whole_vae, vae_levels
from engine.devices import device_of
from engine.errors import EngineError, RecipeError, RenderError
from engine.footprint.demand import Demand
from engine.footprint.options import (
    ANYTHING,
    ENCODERS,
    PARENTS,
    SPEEDS,
    VAE_PRECISIONS,
    MemoryOptions,
    Residence,
)
from engine.footprint.plan import MemoryPlan
from engine.live.model import LiveModel
from engine.live.opening import check_choice, family_of_models, open_parents, precision_on
from engine.live.residence import MemoryReport
from engine.live.weights import DTYPES, BuildReport, LiveWeights
from engine.prompts.embeddings import EmbeddingFolder
from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import Recipe
from engine.rendering.denoiser import Denoiser
from engine.rendering.renderer import Renderer
from engine.rendering.upscaler_models import UpscalerFolder
from engine.rendering.vae_codec import PicturesDone
from engine.shots.shot import Shot

TEXT_BLOCK = BLOCKS[0]
"""The block that holds the text encoder: BASE."""
CLOSED = "the engine is closed"
"""What is wrong with an engine that is used after it was closed."""


class Engine:
    """One live model on one device, and its parents, close by where there is room.

    Use it as a context manager, or call ``close``. ``build`` comes before ``render``.

    Attributes:
        device: Where the model lives and the pictures come out.
        precision: fp16, bf16 or fp32: the dtype of UNet and text encoder. The VAE's weights are fp32; in which format
            it works, ``vae_form`` says.
        models: The parents' names, as recipes use them.
    """

    def __init__(
        self,
        weights: LiveWeights,
        *,
        device: torch.device,
        precision: str,
        embeddings: EmbeddingFolder | None = None,
        upscalers: UpscalerFolder | None = None,
        speed: str = "auto",
        asked: MemoryOptions = ANYTHING,
    ) -> None:
        self.device = device
        self.precision = precision
        self.models = weights.names
        self._weights: LiveWeights | None = weights
        plan = weights.planned  # for GPUs; a CPU's pictures stay what they are until its memory really runs out
        planned = plan.form if plan is not None and plan.room.is_gpu else None
        self._renderer = Renderer(
            weights.live,
            weights.live.family,
            embeddings=embeddings,
            upscalers=upscalers,
            speed=speed,
            residence=weights,
            asked=asked,
            planned=planned,
        )
        self._ready = False
        self._vae_is_whole = True

    @classmethod
    def open(
        cls,
        models: Mapping[str, Path],
        *,
        device: str = "auto",
        precision: str = "auto",
        round_to: str = "fp16",
        embeddings: Path | None = None,
        upscalers: Path | None = None,
        prediction: str = "auto",
        ztsnr: str = "auto",
        vae: Path | None = None,
        vae_precision: str = "auto",
        encoders: str = "auto",
        parents: str = "auto",
        speed: str = "auto",
        expects: Demand | None = None,
        progress: BytesRead | None = None,
    ) -> Engine:
        """Open the parents and make the live model, without network and without writing anything.

        The files are read when recipes are built, and must stay as they are until the engine is closed.

        Args:
            models: Checkpoint files by the names recipes use for them, such as A and B.
            device: "cpu", "cuda", "cuda:1", ..., or "auto": a GPU where there is one; see ``device_of``.
            precision: "fp16", "bf16", "fp32", or "auto": fp16 on CUDA, fp32 on a CPU.
            round_to: What exports will be written in; every built value is rounded to it, so that what is rendered is
                what an export holds.
            embeddings: A folder of textual-inversion files, which prompts and negatives name by the files' stems.
            upscalers: A folder of upscaler models for hires fix, named by the files' stems.
            prediction: "epsilon", "v", or "auto": v where a file is marked so, else epsilon. SD2 files have no marks;
                their UNets are tested as the WebUI tests them.
            ztsnr: Whether the noise levels end in pure noise (zero terminal SNR): "on", "off", or "auto": where the
                first file is marked so.
            vae: A VAE file to decode with, as ``use_vae`` takes; the models then need none inside.
            vae_precision: In which number format the VAE works: "fp32", "bf16", "fp16", or "auto": fp32, in strips or
                in fp16 where memory is short. Where numbers overflow in fp16 or bf16, the next wider format takes over.
            encoders: Where text encoders and VAE wait while others work: on the "device", on the "host", or "auto": on
                the host where memory is short.
            parents: Where the parts of the parents lie that recipes change again and again: on the "device", in main
                memory ("host") or in their files alone ("disk"); or "auto": the first of these that leaves room for
                rendering. Where memory runs out later, the next is taken.
            speed: How the UNet is called: "eager", as it is; "compile", with compiled blocks and, on CUDA, recorded
                as CUDA graphs, which is checked against the plain UNet and given up where it fails (``speed_note``);
                or "auto", which is "eager".
            expects: What will be rendered, for what is left to the memory there is; None: some pictures of the family's
                usual size.
            progress: Called with (bytes read, bytes in all) while the first build reads the parents.

        Raises:
            CheckpointError: A file is missing, damaged, of another architecture, for inpainting, of another kind of
                prediction, or does not fit the first; or the VAE cannot be used.
            EngineError: The device, the precision, ``round_to``, ``prediction``, ``ztsnr``, ``vae_precision``,
                ``encoders``, ``parents``, ``speed`` or a folder is unknown or missing, the models are marked for
                different predictions, or the device has too little memory for the live model.
        """
        where = device_of(device)
        chosen = precision_on(where, precision)
        check_choice("round_to", round_to, tuple(DTYPES))
        check_choice("prediction", prediction, ("auto", *PREDICTIONS))
        check_choice("ztsnr", ztsnr, ZTSNR)
        check_choice("vae_precision", vae_precision, VAE_PRECISIONS)
        check_choice("encoders", encoders, ENCODERS)
        check_choice("parents", parents, PARENTS)
        check_choice("speed", speed, SPEEDS)
        folder = EmbeddingFolder(embeddings) if embeddings else None
        enlargers = UpscalerFolder(upscalers) if upscalers else None
        checkpoints = open_parents(models, vae=vae is None)
        family = family_of_models(checkpoints, prediction, ztsnr)
        tensors = None
        if vae is not None:
            inside = has_vae(next(iter(checkpoints.values())))
            tensors = read_whole_vae(vae, family.widths if inside else None)
            family = replace(family, widths=replace(family.widths, vae=vae_levels(tensors)))
        weights = LiveWeights.load(
            LiveModel.empty(family),
            checkpoints,
            device=where,
            dtype=DTYPES[chosen],
            round_to=round_to,
            vae=tensors,
            parents=parents,
            expects=expects,
            progress=progress,
        )
        return cls(
            weights,
            device=where,
            precision=chosen,
            embeddings=folder,
            upscalers=enlargers,
            speed=speed,
            asked=MemoryOptions(vae_precision=vae_precision, encoders=encoders, parents=parents),
        )

    def build(self, recipe: Recipe) -> BuildReport:
        """Make the live model the recipe's, in place; only what changed since the last build is rewritten.

        Raises:
            CheckpointError: A parent's file cannot be read any more, or was changed.
            EngineError: The engine is closed, or memory ran out and nothing could be moved from the device.
            RecipeError: The recipe uses a model that was not opened, or is for another family.
        """
        weights = self.weights
        if recipe.family != weights.live.family.name:
            raise RecipeError(
                f"the recipe is for {recipe.family} and the models are {weights.live.family.name}",
                remedy=f'write family = "{weights.live.family.name}" in the recipe, or open other models',
            )
        whole, self._ready = self._ready, False
        report = weights.build(weights.plan(recipe))
        if TEXT_BLOCK in report.blocks or not whole:  # an interrupted build may have changed it without a report
            self._renderer.forget_text()
            self._renderer.forget_vae()
        self._renderer.denoiser.calls.weights_changed()
        self._ready = True
        return report

    def use_vae(self, path: Path | None) -> None:
        """Decode with the VAE of a file from now on, whatever recipe is built; in place, no address changes.

        Args:
            path: A VAE with the original names, bare or in a checkpoint, ``.safetensors`` or a pickle of tensors; None:
                the merged VAE again.

        Raises:
            EngineError: The engine is closed.
            CheckpointError: The file is missing, damaged, not whole, of another architecture, or holds NaN; or there
                is no VAE in the models to merge. The VAE stays as it was, unless a parent's file could not be read.
        """
        weights = self.weights
        if path is None:
            weights.check_merged_vae()
        vae = None if path is None else read_whole_vae(path, weights.live.family.widths)
        self._vae_is_whole = False  # a change that is cut short leaves a VAE of two parts
        weights.use_vae(vae)
        self._renderer.forget_vae()
        self._vae_is_whole = True

    def render(self, shots: Sequence[Shot], *, progress: PicturesDone | None = None) -> Tensor:
        """Make the pictures of the recipe built last.

        Args:
            shots: At least one, all with pictures of one size in the end.
            progress: Called with the number of pictures just finished.

        Returns:
            ``(n, 3, height, width)`` float32 from 0 to 1, on ``device``, in the order of the shots.

        Raises:
            EngineError: The engine is closed.
            RenderError: No recipe was built, the change to a VAE was cut short, or the shots cannot be rendered, or
                came out broken: see ``Renderer.render``.
        """
        return self._built_renderer().render(shots, progress=progress)

    def on_step(self, call: Callable[[], None]) -> None:
        """Have something called at every step of denoising from now on, such as a watchdog's beat.

        On a GPU a step is begun then, not done: a device that hangs stops the steps that come later.
        """
        self._renderer.denoiser.on_step = call

    @property
    def weights(self) -> LiveWeights:
        """The live model and its parents, for what stands above the Engine; only ``build`` may change them.

        Raises:
            EngineError: The engine is closed.
        """
        if self._weights is None:
            raise EngineError(CLOSED, remedy="open a new one")
        return self._weights

    @property
    def parents(self) -> Residence:
        """Where the parts of the parents go that recipes change again and again: "device", "host" or "disk".

        It can change to the next of these when memory runs out.

        Raises:
            EngineError: The engine is closed.
        """
        return self.weights.residence

    @property
    def planned(self) -> MemoryPlan | None:
        """What was planned to lie where when the engine was opened.

        Raises:
            EngineError: The engine is closed.
        """
        return self.weights.planned

    def memory(self) -> MemoryReport:
        """Return what lies where, in bytes.

        Raises:
            EngineError: The engine is closed.
        """
        return self.weights.memory()

    @property
    def zero_terminal(self) -> bool:
        """Whether the models' noise levels end in pure noise.

        Raises:
            EngineError: The engine is closed.
        """
        return self.weights.live.family.zero_terminal_snr

    @property
    def vae_form(self) -> str:
        """In which form the VAE worked last, such as ``fp32`` or ``fp16 in strips``.

        Raises:
            EngineError: The engine is closed.
            RenderError: No recipe was built.
        """
        return self._built_renderer().vae_form

    @property
    def speed_note(self) -> str:
        """One sentence on why the UNet is not compiled although ``speed`` asked for it; empty where there is none.

        The check is made while the first pictures of the first two builds are rendered.

        Raises:
            EngineError: The engine is closed.
        """
        if self._weights is None:
            raise EngineError(CLOSED, remedy="open a new one")
        return self._renderer.denoiser.calls.note

    @property
    def denoiser(self) -> Denoiser:
        """The guided denoiser of the recipe built last, for what stands above the Engine.

        Raises:
            EngineError: The engine is closed.
            RenderError: No recipe was built.
        """
        return self._built_renderer().denoiser

    def _built_renderer(self) -> Renderer:
        if self._weights is None:
            raise EngineError(CLOSED, remedy="open a new one")
        if not self._ready:
            raise RenderError(
                "no recipe is built, or the last build was interrupted", remedy="build one before rendering"
            )
        if not self._vae_is_whole:
            raise RenderError("the change to another VAE was cut short", remedy="call use_vae again")
        return self._renderer

    def close(self) -> None:
        """Give the memory back. Closing twice is fine."""
        if self._weights is None:
            return
        self._weights = None
        del self._renderer
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
