"""A shot: one picture to make, as a frozen value with a content hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import Problem, RenderError
from engine.shots.compatibility import TODAY, Compatibility
from engine.shots.hires import Hires, Target
from engine.shots.limits import CFG, CLIP_SKIP, ENSD, ETA, LATENT_STEP, RNGS, S_NOISE, SEED, SIDES, STEPS, out_of_range
from engine.shots.options import USUAL, PictureOptions
from engine.shots.samplers import (
    AUTOMATIC,
    SAMPLERS,
    Fresh,
    fewest_steps,
    most_planned,
    normalised,
    resolved,
    schedule_problem,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture to make: everything that decides it, except the weights.

    Attributes:
        prompt: What the picture should show, as text.
        negative: What it should not show; the empty text is encoded too.
        seed: Seed of this picture's own noise, 0 to 2**63 - 1.
        width: Pixels, a multiple of 8, 64 to 4096.
        height: Pixels, a multiple of 8, 64 to 4096.
        steps: Sampling steps, 1 to 150.
        cfg: Classifier-free guidance scale, 1 to 30; 1 means no guidance and ignores ``negative``.
        sampler: A name of ``engine.shots.samplers.SAMPLERS``; one for sampler and schedule ("DPM++ 2M Karras") is read
            as both.
        schedule: A name of ``engine.shots.samplers.SCHEDULES``; "Automatic" is the sampler's own.
        clip_skip: Which of the text encoder's layers is read, counted from the last: 1 is the last.
        eta: Share of new noise, 0 to 1; None is the sampler's own: 1, for DDIM 0. Only for samplers that add noise. As
            in the WebUI, where DDIM makes one pass and another such sampler the other, it holds for the first alone.
        s_noise: The factor of new noise, 0 to 2. Only for samplers that add noise, except Euler a, DPM adaptive,
            Restart, DDIM, DDIM CFG++ and LCM.
        ensd: "Eta noise seed delta", 0 to 2**32 - 1: where not 0, the noise after the first comes from another
            generator, seeded with ``seed + ensd``. Only for samplers that add noise, except those that follow a
            Brownian path (the SDE ones).
        rng: Whose random numbers: "CPU", torch's on a CPU, or "NV", CUDA's.
        hires: A second pass over the enlarged picture; None: none.
        compatibility: What is done as old WebUIs did it.
        options: Settings that pictures usually leave alone.

    Raises:
        RenderError: A value is out of its range, or the second pass does not fit the first; all such values are named.
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
    hires: Hires | None = None
    compatibility: Compatibility = TODAY
    options: PictureOptions = USUAL

    def __post_init__(self) -> None:
        if problems := list(_problems(self)) or list(_second_problems(self)):
            raise RenderError.of(problems, "the shot")
        sampler, schedule = normalised(self.sampler, self.schedule)
        object.__setattr__(self, "sampler", sampler)
        object.__setattr__(self, "schedule", schedule)

    @property
    def follows(self) -> str:
        """The schedule in effect, never "Automatic"; empty for samplers with levels of their own."""
        return resolved(self.sampler, self.schedule)

    @property
    def noise_share(self) -> float:
        """The share of new noise: ``eta``, or the sampler's own where it is None; 0 if the sampler adds no noise."""
        own = SAMPLERS[self.sampler].eta
        if own is None:
            return 0.0
        return own if self.eta is None else float(self.eta)

    @property
    def noise_factor(self) -> float:
        """The factor of new noise: ``s_noise`` where the WebUI passes it to the sampler, else 1."""
        return float(self.s_noise) if SAMPLERS[self.sampler].scales_noise or self.churns else 1.0

    @property
    def churns(self) -> bool:
        """Whether noise is added before the steps of a sampler that adds none otherwise."""
        return SAMPLERS[self.sampler].churns and self.options.s_churn > 0

    @property
    def noise_settings(self) -> dict[str, float | int | str]:
        """The settings of noise that have an effect on this picture and are not the default, by name."""
        facts, share = SAMPLERS[self.sampler], self.noise_share
        fields: dict[str, float | int | str] = {"rng": self.rng} if self.rng != RNGS[0] else {}
        if facts.eta is not None and share != facts.eta:
            fields["eta"] = share
        if ((facts.scales_noise and share) or self.churns) and self.s_noise != 1:
            fields["s_noise"] = float(self.s_noise)
        drawn = facts.fresh is Fresh.STEPS and (share or facts.eta is None)
        if (drawn or self.churns) and self.ensd:
            fields["ensd"] = self.ensd
        return fields

    @property
    def second(self) -> Shot | None:
        """The second pass as a shot with its own size, steps and prompts; None where there is none."""
        hires = self.hires
        if hires is None:
            return None
        width, height = self.picture_size
        sampler = hires.sampler or self.sampler
        return replace(
            self,
            hires=None,
            width=width,
            height=height,
            steps=hires.steps or self.steps,
            sampler=sampler,
            schedule=(hires.schedule or self.schedule) if SAMPLERS[sampler].automatic else AUTOMATIC,
            cfg=self.cfg if hires.cfg is None else hires.cfg,
            prompt=hires.prompt or self.prompt,
            negative=hires.negative or self.negative,
            eta=self.eta if SAMPLERS[self.sampler].eta is None or _share_eta(self.sampler, sampler) else None,
        )

    @property
    def passes(self) -> tuple[Shot, ...]:
        """The shot, and its second pass where there is one."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def target(self) -> Target:
        """How large the picture becomes before its second pass; without one, its size."""
        return (
            self.hires.target(self.width, self.height) if self.hires else Target(width=self.width, height=self.height)
        )

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the final picture in pixels."""
        return self.target.final

    @property
    def text(self) -> str:
        """The canonical text: one line of JSON, sorted names, with a format number.

        Shots that make the same picture have the same text: sampler and schedule are one name in it, as before WebUI
        1.9 (without "Uniform"); of the settings of noise it holds those that have an effect and are not the default;
        and of a second pass the settings that result.
        """
        fields = {"format": 1, "seed": self.seed, "clip_skip": self.clip_skip} | self._pass_fields
        fields |= self.compatibility.fields
        if self.options.fields:
            fields["options"] = self.options.fields
        if self.hires is not None:
            fields["hires"] = self._second_pass_fields(self.hires)
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @property
    def _pass_fields(self) -> dict[str, Any]:
        """The fields of the text for one pass, without the seed and clip skip that both passes share."""
        return {
            "prompt": self.prompt,
            "negative": self.negative,
            "width": self.width,
            "height": self.height,
            "steps": self.steps,
            "cfg": float(self.cfg),
            "sampler": f"{self.sampler} {self.follows}".strip().removesuffix(" Uniform"),
        } | self.noise_settings

    def _second_pass_fields(self, hires: Hires) -> dict[str, Any]:
        """The fields of the text for a second pass; without denoising, only the enlarged picture counts."""
        width, height = self.picture_size
        enlarged = [self.target.width, self.target.height]
        fields = {"upscaler": hires.upscaler, "denoise": float(hires.denoise), "enlarged": enlarged}
        second = self.second._pass_fields if self.second and hires.denoise else {}
        return fields | second | {"width": width, "height": height}

    @property
    def key(self) -> str:
        """sha256 of ``text``, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """This shot's name in messages: its prompt, shortened, and its seed."""
        prompt = self.prompt if len(self.prompt) <= 60 else self.prompt[:57] + "..."
        return f'"{prompt}" (seed {self.seed})'


def _share_eta(sampler: str, other: str) -> bool:
    """Whether two samplers share the setting of eta; in the WebUI, those with levels of their own have another."""
    return bool(SAMPLERS[sampler].automatic) == bool(SAMPLERS[other].automatic)


def _problems(shot: Shot) -> Iterator[Problem]:
    for name in ("width", "height"):
        yield from _side_problems(name, getattr(shot, name))
    yield from out_of_range("steps", shot.steps, STEPS, whole=True)
    yield from out_of_range("cfg", shot.cfg, CFG, whole=False)
    yield from out_of_range("clip_skip", shot.clip_skip, CLIP_SKIP, whole=True)
    yield from out_of_range("seed", shot.seed, SEED, whole=True)
    yield from out_of_range("ensd", shot.ensd, ENSD, whole=True)
    yield from out_of_range("s_noise", shot.s_noise, S_NOISE, whole=False)
    if shot.eta is not None:
        yield from out_of_range("eta", shot.eta, ETA, whole=False)
    if shot.rng not in RNGS:
        what = 'must be "CPU", or "NV" for what a WebUI on an NVIDIA card draws'
        yield Problem(place=("rng",), what=what, seen=shot.rng)
    yield from _sampler_problems(shot)
    yield from (problem.under("options") for problem in shot.options.problems())


def _sampler_problems(shot: Shot) -> Iterator[Problem]:
    try:
        facts = SAMPLERS[normalised(shot.sampler, shot.schedule)[0]]
    except RenderError as error:
        yield from error.problems
        return
    if type(shot.steps) is int and STEPS[0] <= shot.steps < facts.fewest:
        yield Problem(place=("steps",), what=f"{facts.name} needs at least {facts.fewest}", seen=shot.steps)


def _side_problems(name: str, value: int) -> Iterator[Problem]:
    problems = list(out_of_range(name, value, SIDES, whole=True))
    yield from problems
    if not problems and value % LATENT_STEP:
        below = value - value % LATENT_STEP
        nearest = f"the nearest are {below} and {below + LATENT_STEP}"
        yield Problem(place=(name,), what=f"must be a multiple of {LATENT_STEP}", seen=value, remedy=nearest)


def _second_problems(shot: Shot) -> Iterator[Problem]:
    """What is wrong between a shot and its second pass, each of them right by itself."""
    hires = shot.hires
    if hires is None:
        return
    width, height = shot.picture_size
    if not all(SIDES[0] <= side <= SIDES[1] for side in (width, height)):
        what = f"the picture would be {width}x{height}: its sides must be {SIDES[0]} to {SIDES[1]} pixels"
        yield Problem(place=("hires",), what=what)
    sampler = hires.sampler or normalised(shot.sampler, shot.schedule)[0]
    problem = schedule_problem(sampler, hires.schedule) if hires.schedule else None
    if problem:
        yield problem.under("hires")
    elif hires.denoise:
        yield from _second_steps_problems(shot, hires, sampler)


def _second_steps_problems(shot: Shot, hires: Hires, sampler: str) -> Iterator[Problem]:
    steps = hires.steps or shot.steps
    fewest = fewest_steps(sampler, second=True)
    if steps < fewest:
        what = f"{sampler} needs at least {fewest} in a second pass"
        yield Problem(place=("hires", "steps"), what=what, seen=steps)
    schedule = hires.schedule or normalised(shot.sampler, shot.schedule)[1]
    most = most_planned(sampler, schedule)
    if most is not None and hires.planned(steps) > most:
        yield Problem(
            place=("hires", "denoise"),
            what=f"{steps} of {hires.planned(steps)} planned steps, and {sampler} here has at most {most}",
            seen=hires.denoise,
            remedy=f"give at least {math.ceil(1000 * steps / most) / 1000}",
        )
