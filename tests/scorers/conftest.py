"""A tiny random CLIP on disk, and drawings with a known amount of a look."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from studies.sample.scenery.contents import Content, random_content
from studies.sample.scenery.draw import draw
from studies.sample.scenery.looks import Look

SIZE = 64
DUSK = 0.4
"""The amount of light at the soft end: more of it would drown contents and lines."""
CLIP_CONFIG: dict[str, Any] = {
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 4, "width": 96, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
Paint = Callable[..., Tensor]
"""See the fixture ``paint``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a drawing shows, and the seed of its layout and details."""

    content: Content
    seed: int


def painted(scenes: Sequence[Scene], line: float, light: float | None = None) -> Tensor:
    """Scenes with a known amount of a look, ``[n, 3, 64, 64]`` in 0..1: 0 is inked by day, 1 is soft at dusk."""
    look = Look(composition=0.5, line=line, light=DUSK * line if light is None else light)
    pictures = [_grained(draw(scene.content, look, SIZE, scene.seed), line, scene.seed) for scene in scenes]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


def _grained(picture: np.ndarray, line: float, seed: int) -> np.ndarray:
    """A picture in 0..1 with a paper's grain, more of it where it is soft: flat paint has no detail to measure."""
    grain = np.random.default_rng(seed).normal(0, 0.008 + 0.016 * line, (SIZE, SIZE, 1))
    return np.rint(255 * np.clip(picture / 255 + grain, 0, 1)) / 255


def scenes(seed: int, count: int) -> list[Scene]:
    """Scenes of random contents, seen from a medium distance."""
    rng = np.random.default_rng(seed)
    return [Scene(content=random_content(rng), seed=int(rng.integers(2**31))) for _ in range(count)]


_DRAWN: dict[tuple[int, int, float, float], Tensor] = {}


@pytest.fixture(scope="session")
def paint() -> Paint:
    """``paint(seed, count, line, light=DUSK * line)``: ``[count, 3, 64, 64]`` in 0..1, kept for the session."""

    def paint(seed: int, count: int, line: float, light: float | None = None) -> Tensor:
        key = (seed, count, line, DUSK * line if light is None else light)
        if key not in _DRAWN:
            _DRAWN[key] = painted(scenes(seed, count), *key[2:])
        return _DRAWN[key].clone()

    return paint


@pytest.fixture(scope="session")
def prompts_of() -> Callable[[int, int], list[str]]:
    """The captions of ``paint``'s scenes."""
    return lambda seed, count: [scene.content.caption for scene in scenes(seed, count)]


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
    """A panel whose references lie halfway between inked and soft."""
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
