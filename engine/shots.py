"""A shot: one picture to make, as a frozen value with a content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import RenderError
from engine.sampler_names import AUTOMATIC, SAMPLERS, Fresh, normalised, resolved

RNGS: tuple[str, ...] = ("CPU", "NV")
LATENT_STEP = 8  # pixels to one latent, each way

SIDES = (64, 4096)
STEPS = (1, 150)
CFG = (1.0, 30.0)
CLIP_SKIP = (1, 12)
SEED = (0, 2**63 - 1)
ENSD = (0, 2**32 - 1)
ETA = (0.0, 1.0)
S_NOISE = (0.0, 2.0)


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
        sampler: A name of ``engine.sampler_names.SAMPLERS``; one for sampler and schedule ("DPM++ 2M Karras") is read
            as both.
        schedule: A name of ``engine.sampler_names.SCHEDULES``; "Automatic" is the sampler's own.
        clip_skip: Which of the text encoder's layers is read, counted from the last: 1 is the last.
        eta: Share of fresh noise, 0 to 1; None is the sampler's own: 1, for DDIM 0. Only for samplers that add noise.
        s_noise: A factor on the fresh noise, 0 to 2. Only for samplers that add noise, without Euler a and DDIM.
        ensd: "Eta noise seed delta", 0 to 2**32 - 1: where not 0, the noise after the first comes from another
            generator, seeded with ``seed + ensd``. Only for Euler a, DPM2 a, DPM++ 2S a and DDIM.
        rng: Whose random numbers: "CPU", torch's on a CPU, or "NV", CUDA's.

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
    sampler: str = "DPM++ 2M"
    schedule: str = AUTOMATIC
    clip_skip: int = 1
    eta: float | None = None
    s_noise: float = 1.0
    ensd: int = 0
    rng: str = "CPU"

    def __post_init__(self) -> None:
        mistakes = list(_mistakes(self))
        if mistakes:
            raise RenderError("shot refused:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
        sampler, schedule = normalised(self.sampler, self.schedule)
        object.__setattr__(self, "sampler", sampler)
        object.__setattr__(self, "schedule", schedule)

    @property
    def follows(self) -> str:
        """The schedule that is really followed, never "Automatic"; empty for samplers with levels of their own."""
        return resolved(self.sampler, self.schedule)

    @property
    def noise_share(self) -> float:
        """``eta``, or the sampler's own where it is None; 0 for a sampler that adds no noise."""
        own = SAMPLERS[self.sampler].eta
        if own is None:
            return 0.0
        return own if self.eta is None else float(self.eta)

    @property
    def noise_settings(self) -> dict[str, float | int | str]:
        """The settings of noise that change this picture and are not the default, by name."""
        facts, share = SAMPLERS[self.sampler], self.noise_share
        fields: dict[str, float | int | str] = {"rng": self.rng} if self.rng != RNGS[0] else {}
        if facts.eta is not None and share != facts.eta:
            fields["eta"] = share
        if facts.scales_noise and share and self.s_noise != 1:
            fields["s_noise"] = float(self.s_noise)
        if facts.fresh is Fresh.STEPS and share and self.ensd:
            fields["ensd"] = self.ensd
        return fields

    @property
    def text(self) -> str:
        """The canonical text: one line of JSON, sorted names, with a format number.

        Shots that make the same picture have the same text: sampler and schedule stand there as one name, as before
        WebUI 1.9 ("Uniform" has no name then), and of the settings of noise those that are read and not the default.
        """
        fields = {
            "format": 1,
            "prompt": self.prompt,
            "negative": self.negative,
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "steps": self.steps,
            "cfg": float(self.cfg),
            "sampler": f"{self.sampler} {self.follows}".strip().removesuffix(" Uniform"),
            "clip_skip": self.clip_skip,
        } | self.noise_settings
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
    yield from _out_of_range("ensd", shot.ensd, ENSD, whole=True)
    yield from _out_of_range("s_noise", shot.s_noise, S_NOISE, whole=False)
    if shot.eta is not None:
        yield from _out_of_range("eta", shot.eta, ETA, whole=False)
    if shot.rng not in RNGS:
        yield f'rng = "{shot.rng}": must be "CPU", or "NV" for what a WebUI on an NVIDIA card draws'
    yield from _wrong_sampler(shot)


def _wrong_sampler(shot: Shot) -> Iterator[str]:
    try:
        facts = SAMPLERS[normalised(shot.sampler, shot.schedule)[0]]
    except RenderError as error:
        yield str(error)
        return
    if type(shot.steps) is int and STEPS[0] <= shot.steps < facts.fewest:
        yield f"steps = {shot.steps}: {facts.name} needs at least {facts.fewest}"


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
