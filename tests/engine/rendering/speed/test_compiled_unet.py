"""A UNet compiled for the CPU, over weights that are changed in place; it needs a C++ compiler and some seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from engine.rendering.speed.compiled_blocks import CompiledBlocks
from engine.rendering.speed.unet_calls import FastCalls, UnetCalls
from engine.rendering.speed.unet_inputs import UnetInputs

CPU = torch.device("cpu")
NEAR = 1e-4

pytestmark = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")


@pytest.fixture(scope="module")
def compiling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile in this process, into a folder of the test's."""
    from torch._inductor import config

    with pytest.MonkeyPatch.context() as patch, config.patch(compile_threads=1):
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        yield
    torch._dynamo.reset()


class Blocks(nn.Module):
    """One block of each compiled kind of a real UNet, called as a UNet is; its weights are views of one buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        whole: Any = UNet2DConditionModel(
            block_out_channels=(32,),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("UpBlock2D",),
            mid_block_type=None,
            cross_attention_dim=32,
            attention_head_dim=8,
        ).eval()
        self.embed = nn.Linear(1, 128)
        self.resnet = whole.down_blocks[0].resnets[0]
        self.attention = whole.down_blocks[0].attentions[0].transformer_blocks[0]
        self.requires_grad_(requires_grad=False)
        self.buffer = torch.cat([weight.flatten() for weight in self.parameters()])
        start = 0
        for name, weight in list(self.named_parameters()):
            view = self.buffer[start : start + weight.numel()].view(weight.shape)
            owner, _, leaf = name.rpartition(".")
            setattr(self.get_submodule(owner), leaf, nn.Parameter(view, requires_grad=False))
            start += weight.numel()

    def forward(
        self,
        sample: Tensor,
        time: Tensor,
        *,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor]:
        rows = self.embed(time.view(1, 1)).expand(len(sample), -1)
        hidden = self.resnet(sample, rows)
        flat = hidden.flatten(2).transpose(1, 2)
        bias = None if encoder_attention_mask is None else ((1 - encoder_attention_mask) * -10000.0).unsqueeze(1)
        return (self.attention(flat, encoder_hidden_states=encoder_hidden_states, encoder_attention_mask=bias),)


def inputs(seed: int) -> UnetInputs:
    torch.manual_seed(seed)
    mask = torch.ones(2, 80)
    mask[0, 77:] = 0
    return UnetInputs(
        sample=torch.randn(2, 32, 8, 8), timestep=torch.tensor(0.3), contexts=torch.randn(2, 80, 32), mask=mask
    )


def test_compiled_blocks_compute_with_the_weights_that_are_there(compiling: None):
    unet: Any = Blocks()
    calls = UnetCalls("compile", CPU)
    with torch.inference_mode():
        before = calls.output(unet, inputs(1))
        torch.testing.assert_close(before, inputs(1).output(unet), atol=NEAR, rtol=NEAR)
        unet.buffer.mul_(1.3)
        calls.weights_changed()
        after = calls.output(unet, inputs(1))
        torch.testing.assert_close(after, inputs(1).output(unet), atol=NEAR, rtol=NEAR)
        assert float((after - before).abs().max()) > 100 * NEAR
        unet.buffer.mul_(0.7)
        torch.testing.assert_close(calls.output(unet, inputs(2)), inputs(2).output(unet), atol=NEAR, rtol=NEAR)
    assert not calls.note
    fast = calls._fast  # pyright: ignore[reportPrivateUsage]
    assert isinstance(fast, FastCalls)
    assert fast.check.proven
    blocks = fast._blocks  # pyright: ignore[reportPrivateUsage]
    assert blocks is not None
    assert len(blocks) == 2


def test_outside_of_compiled_calls_the_blocks_are_as_they_were(compiling: None):
    unet: Any = Blocks()
    blocks = CompiledBlocks(unet)

    def switched() -> int:
        return sum(module._compiled_call_impl is not None for module in unet.modules())

    assert switched() == 0
    with blocks.used():
        assert switched() == 2
    assert switched() == 0
    with pytest.raises(ValueError, match="in between"), blocks.used():
        raise ValueError("in between")
    assert switched() == 0
