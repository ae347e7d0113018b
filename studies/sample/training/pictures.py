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

WORTH_PROCESSES = 200
"""Drawings from which on every core draws."""

LookRule = Callable[[np.random.Generator], Look]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawings:
    """Pictures, ``(n, 3, side, side)`` uint8, and what each shows."""

    pictures: torch.Tensor
    contents: tuple[Content, ...]
    looks: tuple[Look, ...]


def drawn(count: int, seed: int, rule: LookRule, side: int = SIDE) -> Drawings:
    """Draw ``count`` pictures with the seeds from ``seed`` on, of random contents, in looks by a rule."""
    one, seeds = partial(_one, rule=rule, side=side), range(seed, seed + count)
    if count < WORTH_PROCESSES:
        made = [*map(one, seeds)]
    else:
        with ProcessPoolExecutor() as pool:
            made = [*pool.map(one, seeds, chunksize=50)]
    pictures = torch.from_numpy(np.stack([picture for *_, picture in made])).permute(0, 3, 1, 2).contiguous()
    return Drawings(
        pictures=pictures,
        contents=tuple(content for content, *_ in made),
        looks=tuple(look for _, look, _ in made),
    )


def kept_drawings(path: Path, count: int, *, seed: int, side: int = SIDE) -> Drawings:
    """Read the drawings that ``path`` holds, or draw ``count`` in random looks and keep them there."""
    if not path.exists():
        _keep(path, drawn(count, seed, random_look, side))
    with np.load(path) as kept:
        shown = json.loads(str(kept["shown"]))
        pictures = torch.from_numpy(kept["pictures"]).permute(0, 3, 1, 2).contiguous()
    return Drawings(
        pictures=pictures,
        contents=tuple(Content(**content) for content, _ in shown),
        looks=tuple(Look(**amounts) for _, amounts in shown),
    )


def _one(seed: int, rule: LookRule, side: int) -> tuple[Content, Look, np.ndarray]:
    rng = np.random.default_rng(seed)
    content, look = random_content(rng), rule(rng)
    return content, look, draw(content, look, side, int(rng.integers(2**31)))


def _keep(path: Path, drawings: Drawings) -> None:
    pairs = zip(drawings.contents, drawings.looks, strict=True)
    shown = json.dumps([(asdict(content), asdict(look)) for content, look in pairs])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez(file, pictures=drawings.pictures.permute(0, 2, 3, 1).numpy(), shown=np.array(shown))


def signed(pictures: torch.Tensor) -> torch.Tensor:
    """Bytes 0..255 as float32 -1..1."""
    return pictures.float() / 127.5 - 1
