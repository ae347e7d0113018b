"""The blocks of a UNet that repeat, compiled each by itself ("regional compilation").

A UNet is a few kinds of blocks, many times over. Blocks of one kind and shape share one compiled kernel set, so that
compiling takes seconds to a minute where a whole UNet takes several. Weights are inputs of the compiled code, never
constants in it: builds change them in place, and the next call reads what is there (``freezing``, which would copy
them, is off).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import nn

REPEATED_BLOCKS = ("BasicTransformerBlock", "ResnetBlock2D")
"""The classes of diffusers' blocks in which a UNet spends its time."""
RECOMPILE_LIMIT = 64
"""For how many shapes one kind of block may be compiled: widths, latents, numbers of rows, lengths of texts."""

_SWITCH = "_compiled_call_impl"  # nn.Module calls this, where a module has one, in place of itself


class CompiledBlocks:
    """The compiled calls of a UNet's blocks, which take effect inside ``used`` alone.

    Outside of it the UNet is as it was: for derivatives, and to compare with.
    """

    def __init__(self, unet: nn.Module) -> None:
        import torch._dynamo

        limit = torch._dynamo.config.recompile_limit
        torch._dynamo.config.recompile_limit = max(limit, RECOMPILE_LIMIT)
        self._calls = [(block, _compiled(block)) for block in unet.modules() if type(block).__name__ in REPEATED_BLOCKS]

    def __len__(self) -> int:
        """How many blocks are compiled."""
        return len(self._calls)

    @contextmanager
    def used(self) -> Generator[None]:
        """Call the compiled blocks in place of the plain ones."""
        for block, call in self._calls:
            block.__dict__[_SWITCH] = call
        try:
            yield
        finally:
            for block, _ in self._calls:
                block.__dict__.pop(_SWITCH, None)


def _compiled(block: nn.Module) -> Callable[..., Any]:
    """The compiled call of a block, which itself stays as it was; compiled when it is first called."""
    block.compile(fullgraph=True, dynamic=False, options={"freezing": False})
    return block.__dict__.pop(_SWITCH)
