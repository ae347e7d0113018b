"""A tiny random CLIP on disk, and scenes with a known amount of a look."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from scorers.encoders.encoder import Encoder
from scorers.encoders.opened import EncoderFiles, Encoders
from scorers.extraction.observer import Observer
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from studies.sample.scenes import Scene, draw, random_scene

SIZE = 64
CLIP_CONFIG: dict[str, Any] = {
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 4, "width": 96, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
Paint = Callable[..., Tensor]
"""See the fixture ``paint``."""


def painted(drawn: Sequence[Scene], subject: float, background: float | None = None) -> Tensor:
    """Scenes with a known amount of the photographic look, ``[n, 3, 64, 64]`` in 0..1."""
    behind = subject if background is None else background
    pictures = [draw(scene, SIZE, subject_photo=subject, background_photo=behind) for scene in drawn]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def scenes(seed: int, count: int) -> list[Scene]:
    """Scenes of random contents, seen from a medium distance."""
    rng = np.random.default_rng(seed)
    return [random_scene(rng, scale=(0.45, 0.6), horizon=(0.5, 0.62)) for _ in range(count)]


_DRAWN: dict[tuple[int, int, float, float], Tensor] = {}


@pytest.fixture(scope="session")
def paint() -> Paint:
    """``paint(seed, count, amount, background=amount)``: ``[count, 3, 64, 64]`` in 0..1, kept for the session."""

    def paint(seed: int, count: int, subject: float, background: float | None = None) -> Tensor:
        key = (seed, count, subject, subject if background is None else background)
        if key not in _DRAWN:
            _DRAWN[key] = painted(scenes(seed, count), *key[2:])
        return _DRAWN[key].clone()

    return paint


@pytest.fixture(scope="session")
def prompts_of() -> Callable[[int, int], list[str]]:
    """The captions of ``paint``'s scenes."""
    return lambda seed, count: [scene.caption for scene in scenes(seed, count)]


@pytest.fixture
def clip_config() -> dict[str, Any]:
    """The tiny CLIP's config."""
    return json.loads(json.dumps(CLIP_CONFIG))


@pytest.fixture(scope="session")
def clip_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Config and weights of a random tiny CLIP."""
    from open_clip import CLIP

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny.json").write_text(json.dumps(CLIP_CONFIG))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = CLIP(**CLIP_CONFIG).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "tiny.safetensors")
    return folder / "tiny.json", folder / "tiny.safetensors"


@pytest.fixture(scope="session")
def encoder(clip_files: tuple[Path, Path]) -> Encoder:
    """The random tiny CLIP."""
    return Encoder.open(*clip_files)


@pytest.fixture(scope="session")
def observer(encoder: Encoder) -> Observer:
    """Takes the random tiny CLIP's embedding as ``clip``, and the statistics."""
    return Observer(Encoders({"clip": encoder}), ["clip"], [], SIZE)


@pytest.fixture(scope="session")
def write_pictures() -> Callable[[Tensor, Path], tuple[Path, ...]]:
    """Write pictures as PNG files into a folder."""

    def write(pictures: Tensor, folder: Path) -> tuple[Path, ...]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{i:02d}.png" for i in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray((picture.permute(1, 2, 0) * 255 + 0.5).byte().numpy()).save(path)
        return tuple(paths)

    return write


@pytest.fixture(scope="session")
def settings(
    clip_files: tuple[Path, Path],
    paint: Paint,
    write_pictures: Callable[[Tensor, Path], tuple[Path, ...]],
    tmp_path_factory: pytest.TempPathFactory,
) -> PanelSettings:
    """A panel whose references lie halfway between drawn and photographed."""
    references = write_pictures(paint(900, 16, 0.5), tmp_path_factory.mktemp("references"))
    return PanelSettings(
        encoders={"clip": EncoderFiles(config=clip_files[0], weights=clip_files[1])}, references=references
    )


@pytest.fixture(scope="session")
def calibrated(settings: PanelSettings, paint: Paint, prompts_of: Callable[[int, int], list[str]]) -> Panel:
    """That panel, calibrated on five amounts of a look."""
    panel = Panel.open(settings)
    prompts, seeds = prompts_of(1, 12), range(12)
    labels = {"A": 0.0, "FLAT_25": 0.25, "FLAT_50": 0.5, "FLAT_75": 0.75, "B": 1.0}
    panel.calibrate({k: panel.features(paint(1, 12, amount), prompts, list(seeds)) for k, amount in labels.items()})
    return panel


@pytest.fixture(scope="session")
def look(calibrated: Panel, paint: Paint, prompts_of: Callable[[int, int], list[str]]) -> Callable[..., Features]:
    """Features of the calibration's twelve scenes at an amount of the look."""

    @functools.cache
    def at(*amounts: float) -> Features:
        return calibrated.features(paint(1, 12, *amounts), prompts_of(1, 12), range(12))

    return at
