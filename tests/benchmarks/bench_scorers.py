"""Encoders of real size with random weights: opening, memory, and what a panel costs beside the bare encoders.

Run alone, ``python -m tests.benchmarks.bench_scorers FOLDER open clip-l blind`` opens one encoder, for ``measured``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from scorers.catalogue import lookup as catalogue
from scorers.encoders.build import _empty
from scorers.encoders.encoder import Encoder
from scorers.encoders.files import read_config
from scorers.encoders.opened import Encoders
from scorers.encoders.preprocess import prep
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from tests.benchmarks.measured import HEADINGS, measure
from tests.scorers.tiny_heads import write_head

pytestmark = pytest.mark.benchmark
SIZE, PICTURES, REFERENCES = 512, 2, 8
WEIGHTS = {"style": 1.0, "clip": 0.2, "stats": 0.3, "laion": 0.2, "hpsv21": 0.2}
"""Style, prompts and a head through ViT-L/14, preference through ViT-H/14."""
ROOT = Path(__file__).parent.parent.parent


def write_encoder(folder: Path, name: str) -> Path:
    """Random weights of a known encoder under the published name of its file."""
    known = catalogue.encoder_named(name)
    assert known is not None
    path = folder / known.files[0].name
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    half = path.suffix == ".pt"
    state: dict[str, torch.Tensor] = {}
    for key, wanted in _empty(read_config(name)).state_dict().items():
        scale, shift = (0.02, 1.0) if "ln_" in key and key.endswith("weight") else (0.02, 0.0)
        value = torch.randn(wanted.shape, generator=generator).mul_(scale).add_(shift)
        state[key] = value.half() if half else value
    if half:
        torch.save({"epoch": 1, "state_dict": state}, path)
    else:
        save_file(state, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scorers")
    for name in ("clip-l", "hpsv21"):
        write_encoder(made, name)
    write_head(made / "sac+logos+ava1-l14-linearMSE.pth", "five linear layers", 768)
    rng = np.random.default_rng(0)
    (made / "wanted").mkdir()
    for number in range(REFERENCES):
        pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((SIZE, SIZE)).save(made / "wanted" / f"{number}.png")
    return made


@pytest.mark.parametrize("name", ["clip-l", "hpsv21"])
def test_opening(folder: Path, name: str, tmp_path: Path) -> None:
    print(f"\n{name}, {(folder / _file(name)).stat().st_size:,} bytes\n{'':14s}{HEADINGS}")
    for how in ("imports", "blind", "text"):
        command = ["-m", "tests.benchmarks.bench_scorers", str(folder), name, how]
        environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        taken = measure(command, python=Path(sys.executable), report=tmp_path / "r", cwd=ROOT, env=environment)
        print(f"  {how:12s}{taken.row()}")


def _file(name: str) -> str:
    known = catalogue.encoder_named(name)
    assert known is not None
    return known.files[0].name


def test_looking(folder: Path) -> None:
    """Processor time of one thread for every picture: the bare encoders, and all of the panel."""
    torch.set_num_threads(1)
    references = tuple(sorted((folder / "wanted").glob("*.png")))
    panel = Panel.open(PanelSettings(main="clip-l", references=references, weights=WEIGHTS, folder=folder))
    images = torch.rand(PICTURES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    bare = _bare(panel.observer._encoders, images)
    started = time.process_time()
    panel.features(images, [f"picture {number}" for number in range(PICTURES)], range(PICTURES))
    looked = (time.process_time() - started) / PICTURES
    print(f"\nbare encoders {bare:.2f} s a picture, all of the panel {looked:.2f} s ({looked / bare:.2f} of it)")


@torch.inference_mode()
def _bare(encoders: Encoders, images: torch.Tensor) -> float:
    total = 0.0
    for name in encoders.names:
        encoder = encoders[name]
        ready = prep(images, encoder.size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        started = time.process_time()
        encoder._visual(ready)
        seconds = (time.process_time() - started) / len(images)
        print(f"\n{name}: {seconds:.2f} s a picture", end="")
        total += seconds
    return total


def main() -> None:
    """Open one encoder and say how long it took."""
    folder, name, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if how != "imports":
        Encoder.open(name, folder / _file(name), text=how == "text")


if __name__ == "__main__":
    main()
