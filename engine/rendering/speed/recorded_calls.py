"""UNet calls recorded as CUDA graphs: one launch replays the hundreds of kernels of a call.

A graph reads and writes fixed addresses. Its inputs are copied into buffers of its own; the weights have the addresses
of the live model, which never move and whose values builds change in place, so that a replay computes with the weights
that are there. One graph is recorded for each set of input shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.rendering.speed.unet_inputs import Signature, UnetInputs

MOST_RECORDINGS = 8
"""How many sets of shapes are recorded; calls of others are made directly."""
WARM_UPS = 2
"""How often a call is made before it is recorded: kernels are compiled and chosen, workspaces are allocated."""

Call = Callable[[UnetInputs], Tensor]
"""``call(inputs)``: the UNet's output."""
Replay = Callable[[], None]
"""``replay()``: computes the output anew from what is in the input buffers."""
Record = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
"""``record(work)``: does some work on a GPU and returns how to repeat it, and the tensor that repeating it fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    inputs: UnetInputs
    output: Tensor
    replay: Replay


class RecordedCalls:
    """Calls, recorded when they first come with new shapes and replayed from then on."""

    def __init__(self, call: Call, record: Record) -> None:
        self._call, self._record = call, record
        self._recordings: dict[Signature, _Recording] = {}

    def __len__(self) -> int:
        """How many sets of shapes are recorded."""
        return len(self._recordings)

    def output(self, inputs: UnetInputs) -> Tensor:
        """Return the output for some inputs, in memory of its own."""
        signature = inputs.signature
        if signature not in self._recordings:
            if len(self._recordings) >= MOST_RECORDINGS:
                return self._call(inputs)
            self._recordings[signature] = self._recorded(inputs)
        recording = self._recordings[signature]
        for name, buffer in recording.inputs.tensors.items():
            buffer.copy_(inputs.tensors[name])
        recording.replay()
        return recording.output.clone()

    def _recorded(self, inputs: UnetInputs) -> _Recording:
        own = UnetInputs.of({name: tensor.clone() for name, tensor in inputs.tensors.items()})
        replay, output = self._record(lambda: self._call(own))
        return _Recording(inputs=own, output=output, replay=replay)


class GraphRecorder:
    """Records work on a GPU as CUDA graphs, which share one pool of memory: they are replayed one after the other."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Record some work; other threads may go on using the GPU meanwhile."""
        with torch.cuda.device(self._device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    work()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                output = work()
        return graph.replay, output
