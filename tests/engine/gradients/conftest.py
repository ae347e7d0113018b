"""Live weights of two sizes, in float64."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoints.checkpoint import open_checkpoint
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from studies.sample.world import write_world
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_models import NARROWEST

CPU = torch.device("cpu")


@pytest.fixture(scope="package")
def weights(tmp_path_factory: pytest.TempPathFactory) -> LiveWeights:
    """Three of the narrowest parents, of which nothing is rendered."""
    folder = tmp_path_factory.mktemp("narrow")
    paths = {
        name: write_tiny(folder / f"{name}.safetensors", seed, widths=NARROWEST) for seed, name in enumerate("ABC")
    }
    opened = {name: open_checkpoint(path) for name, path in paths.items()}
    live = LiveModel.empty(opened["A"].widths)
    return LiveWeights.load(live, opened, device=CPU, dtype=torch.float64, round_to="fp32")


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LiveWeights:
    """The sample world's parents, UNet and text encoder in float64: random models bend too much for differences."""
    world = write_world(tmp_path_factory.mktemp("world"))
    opened = {"A": open_checkpoint(world.a), "B": open_checkpoint(world.b)}
    live = LiveModel.empty(opened["A"].widths)
    return LiveWeights.load(live, opened, device=CPU, dtype=torch.float64, round_to="fp32")
