"""Encoders of real size with random weights: opening, memory, what a panel costs beside the bare encoders; references.

Run alone, ``python -m tests.benchmarks.scorers.bench_scorers FOLDER clip-l blind`` opens one encoder, for ``measured``,
and ``python -m tests.benchmarks.scorers.bench_scorers FOLDER references`` a panel with the references that lie there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip import CLIP
from PIL import Image
from safetensors.torch import save_file

from scorers.catalogue import lookup as catalogue
from scorers.catalogue.sources import EncoderFiles
from scorers.encoders.build import _empty
from scorers.encoders.encoder import Encoder
from scorers.encoders.files import read_config
from scorers.encoders.opened import Encoders
from scorers.encoders.preprocess import prep
from scorers.extraction.observer import Observer
from scorers.panel.panel import Panel
from scorers.panel.references import References
from scorers.panel.registry import embeddings_of, open_scorers
from scorers.panel.settings import PanelSettings
from tests.benchmarks.measured import HEADINGS, measure
from tests.scorers.conftest import CLIP_CONFIG
from tests.scorers.tiny_heads import write_head

pytestmark = pytest.mark.benchmark
SIZE, PICTURES, REFERENCES = 512, 2, 8
MANY, MEGAPIXEL = 500, 1024
"""How many references a large study may have, and the side of each."""
WEIGHTS = {"style": 1.0, "clip": 0.2, "stats": 0.3, "laion": 0.2, "hpsv21": 0.2}
"""Style, prompts and a head through ViT-L/14, preference through ViT-H/14."""
ROOT = Path(__file__).parents[3]


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
        command = ["-m", "tests.benchmarks.scorers.bench_scorers", str(folder), name, how]
        environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        taken = measure(command, python=Path(sys.executable), report=tmp_path / "r", cwd=ROOT, env=environment)
        print(f"  {how:12s}{taken.row()}")


def test_references(tmp_path: Path) -> None:
    """A first and a second start with 500 references of a megapixel, and a tiny encoder."""
    wanted = tmp_path / "references"
    wanted.mkdir()
    rng = np.random.default_rng(0)
    for number in range(MANY):
        pixels = Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))
        pixels.resize((MEGAPIXEL, MEGAPIXEL), Image.Resampling.BICUBIC).save(wanted / f"{number:03d}.jpg", quality=92)
    (tmp_path / "tiny.json").write_text(json.dumps(CLIP_CONFIG))
    with torch.random.fork_rng(devices=[]):
        state = CLIP(**CLIP_CONFIG).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "tiny.safetensors")
    print(
        f"\n{MANY} references of {MEGAPIXEL} x {MEGAPIXEL}, {sum(f.stat().st_size for f in wanted.iterdir()):,} bytes"
    )
    command = [sys.executable, "-m", "tests.benchmarks.scorers.bench_scorers", str(tmp_path), "references"]
    for start in ("first start", "second start"):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        print(f"  {start:13s}{done.stdout.strip()}")
    kept = sum(file.stat().st_size for file in (tmp_path / "kept").rglob("*") if file.is_file())
    print(f"  {kept:,} bytes are kept")


def open_references(folder: Path) -> None:
    """Open a panel with the references of ``test_references``, and print what they took beside encoder and imports."""
    files = EncoderFiles(config=folder / "tiny.json", weights=folder / "tiny.safetensors")
    paths = tuple(sorted((folder / "references").iterdir()))
    settings = PanelSettings(encoders={"clip": files}, references=paths, kept=folder / "kept", render_size=SIZE)
    encoders, scorers = open_scorers(settings, "cpu")
    observer = Observer(encoders, embeddings_of(scorers), [], SIZE)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    started = time.process_time()
    References.look_up(observer, settings.references, settings.kept)
    seconds = time.process_time() - started
    print(f"{_status('VmHWM') - before:6.0f} MB at the peak, {seconds:7.2f} s of processor time")


def _status(name: str) -> float:
    """A size of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(name))


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
    """Open one encoder, or references."""
    folder, name, how = Path(sys.argv[1]), sys.argv[2], "".join(sys.argv[3:])
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if name == "references":
        open_references(folder)
    elif how != "imports":
        Encoder.open(name, folder / _file(name), text=how == "text")


if __name__ == "__main__":
    main()
