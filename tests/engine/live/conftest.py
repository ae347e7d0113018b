"""Fixtures of the tests of live weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.live import streaming
from tests.engine.live.made_weights import FLOATS


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that tiny models have many of."""
    monkeypatch.setattr(streaming, "CPU_PIECE", 1 << 15)
    monkeypatch.setattr(streaming, "GPU_PIECE", 1 << 15)


@pytest.fixture(scope="module")
def files(tiny_a: Path, tiny_b: Path) -> dict[str, Checkpoint]:
    """A in fp16; B with a dtype for every tensor in turn."""
    mixed = {
        key: value.to(FLOATS[number % 3]) if value.is_floating_point() else value
        for number, (key, value) in enumerate(sorted(load_file(tiny_b).items()))
    }
    path = tiny_b.parent / "mixed.safetensors"
    save_file(mixed, path, metadata={"format": "pt"})
    return {"A": open_checkpoint(tiny_a), "B": open_checkpoint(path)}
