"""SDXL of real size on a card of 8 GB, by count of what lies there; its files have headers and no weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.architecture.widths import SDXL
from engine.checkpoints.checkpoint import Checkpoint
from engine.footprint.moments import COMPUTE_BYTES, CONTEXT_BYTES, STREAM_BYTES, live_of
from engine.footprint.plan import MemoryPlan
from engine.live.allocation import Memory
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from tests.benchmarks.engine.count_activations import peak_bytes
from tests.engine.sparse_files import sparse_checkpoint

GB, GIB = 10**9, 2**30
CARD = 8 * GIB


class CardOfEight(Memory):
    """A card of 8 GB in a machine of 32 GB; its tensors have shapes and no memory, and are counted.

    Attributes:
        on: bytes taken by "device" and "host".
    """

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.separate = True
        self.on = {"device": 0, "host": 0}

    def on_device(self, elements: int, dtype: torch.dtype) -> Tensor:
        return self._counted("device", elements, dtype)

    def on_host(self, elements: int, dtype: torch.dtype) -> Tensor:
        return self._counted("host", elements, dtype)

    def free_on_device(self) -> int:
        return CARD - self.on["device"]

    def free_on_host(self) -> int:
        return 32 * GB - self.on["host"]

    def _counted(self, where: str, elements: int, dtype: torch.dtype) -> Tensor:
        self.on[where] += elements * dtype.itemsize
        return torch.empty(elements, dtype=dtype, device="meta")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    folder = tmp_path_factory.mktemp("sdxl")
    return {letter: sparse_checkpoint(folder / f"{letter}.safetensors", "sdxl") for letter in "AB"}


def loaded(files: dict[str, Checkpoint], parents: str, memory: CardOfEight) -> tuple[LiveWeights, MemoryPlan]:
    live, device = LiveModel.empty(SDXL), torch.device("cpu")
    weights = LiveWeights.load(live, files, device=device, dtype=torch.float16, parents=parents, memory=memory)
    assert weights.planned is not None
    return weights, weights.planned


def rendering_bytes(live: LiveModel) -> int:
    """The most that the bound UNet makes for one guided picture of 1024 x 1024."""

    def run() -> object:
        latents = torch.empty(2, 4, 128, 128, dtype=torch.float16)
        context = torch.empty(2, 77, SDXL.context, dtype=torch.float16)
        sizes = {"text_embeds": torch.empty(2, 1280, dtype=torch.float16), "time_ids": torch.empty(2, 6)}
        return live.unet(latents, torch.empty(()), encoder_hidden_states=context, added_cond_kwargs=sizes)

    return peak_bytes(live.unet, run)


@pytest.mark.parametrize("parents", ["host", "disk"])
def test_a_picture_of_1024_takes_less_than_eight_and_a_half_gigabytes(
    files: dict[str, Checkpoint], parents: str
) -> None:
    memory = CardOfEight()
    weights, plan = loaded(files, parents, memory)
    assert weights.residence == parents
    assert memory.on["device"] == pytest.approx(live_of(plan.demand).total, rel=1e-3)
    scratch = COMPUTE_BYTES + 2 * STREAM_BYTES
    rendering = memory.on["device"] + scratch + rendering_bytes(weights.live)
    assert 7 * GB < rendering < 8.5 * GB
    live, planned = live_of(plan.demand), replace(plan, batch=1)
    waiting = live.text + live.vae  # by the plan they wait in main memory; here they are still on the card
    assert rendering == pytest.approx(sum(memory_of(planned, "rendering").values()) + waiting, rel=0.01)
    assert plan.form.waits
    assert plan.on_device == 0
    assert plan.fits
    assert plan.counted_peak < 8.5 * GB


def memory_of(plan: MemoryPlan, moment: str) -> dict[str, int]:
    """What the plan counts at a moment, without what it assumes."""
    return {name: size for name, size in plan.moments[moment].items() if name not in {"CUDA", "gaps"}}


def test_the_live_model_lies_there_as_the_plan_says(files: dict[str, Checkpoint]) -> None:
    memory = CardOfEight()
    _, plan = loaded(files, "auto", memory)
    assert plan.fits
    assert plan.peak - CONTEXT_BYTES <= CARD, "what CUDA takes is no part of what is free"
    assert plan.form.waits
    assert memory_of(plan, "rendering")["UNet"] == live_of(plan.demand).unet
