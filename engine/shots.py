"""A shot: one picture to make, as a frozen value with a content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from engine.errors import RenderError

SAMPLERS: tuple[str, ...] = ("DPM++ 2M Karras", "Euler a")
LATENT_STEP = 8  # pixels to one latent, each way

SIDES = (64, 4096)
STEPS = (1, 150)
CFG = (1.0, 30.0)
CLIP_SKIP = (1, 12)
SEED = (0, 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture to make; everything but the weights that decides what it looks like.

    Attributes:
        prompt: What the picture shall show, plain text.
        negative: What it shall not show; empty means the encoded empty text.
        seed: Seed of this picture's own noise, 0 to 2**63 - 1.
        width: Pixels, a multiple of 8, 64 to 4096.
        height: Pixels, a multiple of 8, 64 to 4096.
        steps: Sampling steps, 1 to 150.
        cfg: Classifier-free guidance scale, 1 to 30; 1 means no guidance and ignores ``negative``.
        sampler: One of ``SAMPLERS``.
        clip_skip: Which of the text encoder's layers is read, counted from the last: 1 is the last.

    Raises:
        RenderError: Any value is out of its range; every such value is named.
    """

    prompt: str
    negative: str = ""
    seed: int
    width: int = 512
    height: int = 512
    steps: int = 20
    cfg: float = 7.0
    sampler: str = "DPM++ 2M Karras"
    clip_skip: int = 1

    def __post_init__(self) -> None:
        mistakes = list(_mistakes(self))
        if mistakes:
            raise RenderError("shot refused:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))

    @property
    def text(self) -> str:
        """The canonical text: one line of JSON, sorted names, with a format number."""
        fields = {
            "format": 1,
            "prompt": self.prompt,
            "negative": self.negative,
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "steps": self.steps,
            "cfg": float(self.cfg),
            "sampler": self.sampler,
            "clip_skip": self.clip_skip,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @property
    def key(self) -> str:
        """sha256 of ``text``, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """How messages name this shot: its prompt, shortened, and its seed."""
        prompt = self.prompt if len(self.prompt) <= 60 else self.prompt[:57] + "..."
        return f'"{prompt}" (seed {self.seed})'


def _mistakes(shot: Shot) -> Iterator[str]:
    for name in ("width", "height"):
        yield from _wrong_side(name, getattr(shot, name))
    yield from _out_of_range("steps", shot.steps, STEPS, whole=True)
    yield from _out_of_range("cfg", shot.cfg, CFG, whole=False)
    yield from _out_of_range("clip_skip", shot.clip_skip, CLIP_SKIP, whole=True)
    yield from _out_of_range("seed", shot.seed, SEED, whole=True)
    if shot.sampler not in SAMPLERS:
        yield _unknown_sampler(shot.sampler)


def _wrong_side(name: str, value: int) -> Iterator[str]:
    wrong = list(_out_of_range(name, value, SIDES, whole=True))
    yield from wrong
    if not wrong and value % LATENT_STEP:
        below = value - value % LATENT_STEP
        nearest = f"{below} and {below + LATENT_STEP}"
        yield f"{name} = {value}: must be a multiple of {LATENT_STEP}; the nearest are {nearest}"


def _out_of_range(name: str, value: float, limits: tuple[float, float], *, whole: bool) -> Iterator[str]:
    low, high = limits
    kind = "a whole number" if whole else "a number"
    right_type = type(value) is int or (type(value) is float and not whole)
    if not right_type or not low <= value <= high:  # a NaN fails the comparison
        yield f"{name} = {value!r}: must be {kind} from {low} to {high}"


def _unknown_sampler(name: str) -> str:
    close = get_close_matches(name, SAMPLERS, n=1, cutoff=0.4)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    return f'sampler = "{name}": must be one of {", ".join(SAMPLERS)}{hint}'
