"""How the UNet is called: as it is, or compiled and, on a GPU, recorded; with a way back where that does not work."""

from __future__ import annotations

import logging
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.errors import first_line
from engine.rendering.speed.compiled_blocks import CompiledBlocks
from engine.rendering.speed.recorded_calls import GraphRecorder, Record, RecordedCalls
from engine.rendering.speed.self_check import SelfCheck
from engine.rendering.speed.unet_inputs import UnetInputs

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

log = logging.getLogger(__name__)

PLAIN_NOTE = "the UNet runs as it is, not compiled"
"""How the sentence begins that says why the UNet is not compiled."""


class UnetCalls:
    """Calls a UNet in the way that a setting says.

    Args:
        speed: One of ``engine.footprint.options.SPEEDS``.
        device: Where the UNet lives.
        record: Records calls; None: CUDA graphs on a GPU, and nothing on a CPU.
    """

    def __init__(self, speed: str, device: torch.device, *, record: Record | None = None) -> None:
        self._fast = FastCalls(device, record) if speed == "compile" else None

    @property
    def note(self) -> str:
        """One sentence on why the UNet is not compiled although that was asked for; else empty."""
        return self._fast.note if self._fast else ""

    def output(self, unet: UNet2DConditionModel, inputs: UnetInputs) -> Tensor:
        """Return the UNet's output ``(rows, 4, h, w)``; where derivatives are taken, always of the plain UNet."""
        if self._fast is None or not torch.is_inference_mode_enabled():
            return inputs.output(unet)
        return self._fast.output(unet, inputs)

    def weights_changed(self) -> None:
        """Say that the UNet's weights have changed, in place."""
        if self._fast is not None:
            self._fast.check.weights_changed()


class FastCalls:
    """Compiled and recorded calls of one UNet, checked against plain ones, which take over where something fails.

    Attributes:
        note: One sentence on why plain calls took over; empty as long as they have not.
        check: The comparison with plain calls.
    """

    def __init__(self, device: torch.device, record: Record | None = None) -> None:
        self.note = ""
        self.check = SelfCheck()
        self._blocks: CompiledBlocks | None = None
        self._recorded: RecordedCalls | None = None
        self._device, self._record = device, record
        if device.type == "cuda" and find_spec("triton") is None:
            self._give_up("Triton, which compiles for GPUs, is not installed")

    def output(self, unet: UNet2DConditionModel, inputs: UnetInputs) -> Tensor:
        """Return the UNet's output.

        Raises:
            torch.OutOfMemoryError: Memory runs out although nothing is recorded any more.
        """
        if self.note:
            return inputs.output(unet)
        try:
            problem = self.check.problem(
                inputs, lambda given: given.output(unet), lambda given: self._output(unet, given)
            )
            if not problem:
                return self._output(unet, inputs)
        except torch.OutOfMemoryError:
            if self._recorded is None:
                raise
            problem = "there is too little memory for recorded calls"
        except _failures() as error:
            problem = first_line(error)
        self._give_up(problem)
        return inputs.output(unet)

    def _output(self, unet: UNet2DConditionModel, inputs: UnetInputs) -> Tensor:
        if self._blocks is None:
            self._blocks = CompiledBlocks(unet)
            record = self._record or (GraphRecorder(self._device) if self._device.type == "cuda" else None)
            self._recorded = RecordedCalls(partial(_compiled_output, self._blocks, unet), record) if record else None
        if self._recorded is not None:
            return self._recorded.output(inputs)
        return _compiled_output(self._blocks, unet, inputs)

    def _give_up(self, reason: str) -> None:
        """Make plain calls from now on, say so once, and give the memory of the others back."""
        self.note = f"{PLAIN_NOTE}: {reason}"
        log.warning("%s", self.note)
        self._blocks = self._recorded = None


def _compiled_output(blocks: CompiledBlocks, unet: UNet2DConditionModel, inputs: UnetInputs) -> Tensor:
    with blocks.used():
        return inputs.output(unet)


def _failures() -> tuple[type[Exception], ...]:
    """What compiling and recording raise where they do not work here: no compiler, an unknown operation, a driver."""
    from torch._dynamo.exc import FailOnRecompileLimitHit

    return (RuntimeError, ImportError, OSError, FailOnRecompileLimitHit)
