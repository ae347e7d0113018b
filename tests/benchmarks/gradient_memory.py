"""What a gradient takes of memory at real size: every tensor of a backward pass counted, none of them made.

By hand: ``python -m tests.benchmarks.gradient_memory``. Modules of the released widths on torch's meta device, one
picture with guidance, differentiated through its last step: the decoding, then one UNet call, each with a backward pass
of its own as ``engine.gradients.tracing`` has them. Attention counts as a fused kernel that keeps queries,
keys, values, result and one number a row. Real allocators need some more: the workspaces of kernels, and what lies
between blocks.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.architecture.configs import ModelFamily
from engine.architecture.widths import REAL, FamilyName
from engine.gradients.tracing import recomputed
from engine.live.model import LiveModel

GIB = 2**30
SIDES: dict[FamilyName, int] = {"sd1": 512, "sdxl": 1024}


class LiveBytes(TorchDispatchMode):
    """Bytes of all tensors made since, as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value)
        return result

    def _count(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        mark, size = storage._cdata, storage.nbytes()
        if mark in self._known:
            return
        self._known.add(mark)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, mark, size)

    def _freed(self, mark: int, size: int) -> None:
        self._known.discard(mark)
        self.now -= size


class _Fused(torch.autograd.Function):
    """Attention as fused kernels keep it."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out, rows = torch.empty_like(q), q.new_empty(q.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(q, k, v, out, rows)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, _, _ = ctx.saved_tensors
        return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


@contextmanager
def fused_attention() -> Generator[None]:
    """Within, attention on the meta device is counted as a fused kernel."""
    usual = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = lambda q, k, v, **_: _Fused.apply(q, k, v)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = usual


def peak_of(work: Callable[[], Tensor]) -> float:
    """GiB at most while something is computed and differentiated."""
    with LiveBytes() as counted:
        work().sum().backward()
    return counted.peak / GIB


def measure(name: FamilyName, *, thrifty: bool) -> dict[str, float]:
    """GiB of the UNet call, of the decoding, and of contracting the largest gradient."""
    live = LiveModel.empty(ModelFamily(widths=REAL[name]))
    unet: Any = live.unet.half().requires_grad_(True)
    vae: Any = live.vae
    for part in (unet, vae) if thrifty else ():
        part.enable_gradient_checkpointing()
    side, meta = SIDES[name] // 8, torch.device("meta")
    latents = torch.empty(1, 4, side, side, device=meta)
    context = torch.empty(2, 77, live.family.widths.context, device=meta, dtype=torch.float16)
    added = {}
    if name == "sdxl":
        pooled = torch.empty(2, live.family.widths.text_g, device=meta, dtype=torch.float16)
        added = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": torch.empty(2, 6, device=meta)}}
    hooks = [p.register_post_accumulate_grad_hook(_free) for p in unet.parameters()]

    def call(x: Tensor) -> Tensor:
        time = torch.empty((), device=meta)
        return unet(x.expand(2, -1, -1, -1).half(), time, encoder_hidden_states=context, **added).sample.float()

    with fused_attention():
        found = {
            "UNet call": peak_of(lambda: recomputed(call, latents)),
            "decoding": peak_of(lambda: recomputed(lambda x: vae.decode(x).sample, latents)),
        }
    for hook in hooks:
        hook.remove()
    largest = max(p.numel() for p in unet.parameters())
    return {**found, "contraction": 5 * 4 * largest / GIB}


def _free(parameter: Tensor) -> None:
    parameter.grad = None


def weights_of(name: FamilyName) -> tuple[float, float]:
    """GiB of one model's UNet and text encoders in half precision, and of its VAE in single precision."""
    live = LiveModel.empty(ModelFamily(widths=REAL[name]))
    sizes = {part: sum(p.numel() for p in module.parameters()) for part, module in live.modules.items()}
    vae = sizes.pop("vae")
    return 2 * sum(sizes.values()) / GIB, 4 * vae / GIB


def table() -> None:
    """Print a row for each family."""
    for name, side in SIDES.items():
        rest, vae = weights_of(name)
        print(f"{name}, {side} x {side}, one picture: A, B and the live model {3 * rest + 2 * vae:.1f} GiB")
        for thrifty in (False, True):
            said = ", ".join(f"{part} {size:.2f}" for part, size in measure(name, thrifty=thrifty).items())
            print(f"  {'blocks computed again' if thrifty else 'inner values kept':22s} {said} GiB")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    table()
