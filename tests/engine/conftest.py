"""Two tiny parents, written once per run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.engine.models.tiny import write_tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the parents; read only by agreement."""
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="session")
def tiny_a(tiny_folder: Path) -> Path:
    """A random fp16 checkpoint; B is another."""
    return write_tiny(tiny_folder / "a.safetensors", 1)


@pytest.fixture(scope="session")
def tiny_b(tiny_folder: Path) -> Path:
    """Another of the same widths."""
    return write_tiny(tiny_folder / "b.safetensors", 2)


@pytest.fixture(scope="session")
def tiny_b32(tiny_folder: Path) -> Path:
    """B with full float32 weights."""
    return write_tiny(tiny_folder / "b32.safetensors", 2, dtype=torch.float32)
