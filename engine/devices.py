"""Devices by the names that people write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device_of(name: str) -> torch.device:
    """Return the torch device of a study file's `device`: for auto a GPU if there is one."""
    import torch

    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
