"""Drawings to train on, drawn once and kept: pictures as bytes, with their contents and looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from engine.files import replaced
from studies.sample.scenery.contents import Content, random_content
from studies.sample.scenery.draw import draw
from studies.sample.scenery.looks import Look, random_look

SIDE = 128
"""Side of the pictures, in pixels."""

LookRule = Callable[[np.random.Generator], Look]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawings:
    """Pictures, ``(n, 3, side, side)`` uint8, and what each shows."""

    pictures: torch.Tensor
    contents: tuple[Content, ...]
    looks: tuple[Look, ...]


def drawings(path: Path, count: int, *, seed: int, look: LookRule = random_look, side: int = SIDE) -> Drawings:
    """Read the drawings that ``path`` holds, or draw ``count`` with the seeds from ``seed`` on and keep them there."""
    if not path.exists():
        _keep(path, [*_drawn(count, seed, look, side)])
    with np.load(path) as kept:
        shown = json.loads(str(kept["shown"]))
        pictures = torch.from_numpy(kept["pictures"]).permute(0, 3, 1, 2).contiguous()
    return Drawings(
        pictures=pictures,
        contents=tuple(Content(**content) for content, _ in shown),
        looks=tuple(Look(**amounts) for _, amounts in shown),
    )


Drawn = tuple[Content, Look, np.ndarray]


def _drawn(count: int, seed: int, look: LookRule, side: int) -> list[Drawn]:
    with ProcessPoolExecutor(2) as pool:
        return [*pool.map(partial(_one, rule=look, side=side), range(seed, seed + count), chunksize=50)]


def _one(seed: int, rule: LookRule, side: int) -> Drawn:
    rng = np.random.default_rng(seed)
    content, look = random_content(rng), rule(rng)
    return content, look, draw(content, look, side, int(rng.integers(2**31)))


def _keep(path: Path, drawn: list[Drawn]) -> None:
    shown = json.dumps([(asdict(content), asdict(look)) for content, look, _ in drawn])
    pictures = np.stack([picture for *_, picture in drawn])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez(file, pictures=pictures, shown=np.array(shown))


def signed(pictures: torch.Tensor) -> torch.Tensor:
    """Bytes 0..255 as float32 -1..1."""
    return pictures.float() / 127.5 - 1
