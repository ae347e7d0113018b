"""Hires fix: a second pass over an enlarged picture, as AUTOMATIC1111's WebUI 1.10 makes it, as a frozen value.

The facts (sizes, cropping, how many steps of how many) are those of ``StableDiffusionProcessingTxt2Img`` in its
modules/processing.py and of ``setup_img2img_steps`` in its modules/sd_samplers_common.py. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import Problem, RenderError
from engine.shots.limits import CFG, DENOISE, LATENT_STEP, SCALE, SIDES, STEPS, out_of_range
from engine.shots.other_names import webui_schedule
from engine.shots.samplers import AUTOMATIC, normalised, schedule_problem

LATENT_UPSCALERS: tuple[str, ...] = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
"""The upscalers of latents, by the WebUI's names."""
PICTURE_UPSCALERS: tuple[str, ...] = ("None", "Lanczos", "Nearest")
"""The upscalers of pictures that need no file, by the WebUI's names."""
UPSCALERS: tuple[str, ...] = (*LATENT_UPSCALERS, *PICTURE_UPSCALERS)
"""The upscalers that need no file, by the WebUI's names; any other name is that of a model file."""

STRONGEST = 0.999
"""The highest denoising strength by which steps are planned; higher ones count as this."""
WEAKEST = 0.01
"""The least denoising strength above 0: the step of the WebUI's slider."""
_BY_FOLD = {name.casefold(): name for name in UPSCALERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How large a picture becomes before its second pass.

    Attributes:
        width: Its width in pixels before anything is cut off; any whole number.
        height: Its height in pixels, likewise.
        cut: Latents that are cut off again, across and down: half at either side, an odd one at the right or bottom.
    """

    width: int
    height: int
    cut: tuple[int, int] = (0, 0)

    @property
    def final(self) -> tuple[int, int]:
        """Width and height of the final picture, multiples of 8."""
        across, down = (side // LATENT_STEP for side in (self.width, self.height))
        return (across - self.cut[0]) * LATENT_STEP, (down - self.cut[1]) * LATENT_STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Hires:
    """The settings of a picture's second pass; those left at their defaults are as in the first pass.

    Attributes:
        upscaler: A name of ``UPSCALERS``, or that of a model file.
        scale: How much larger than the first picture, 1 to 8; without effect where ``resize`` is given.
        resize: Width and height in pixels; one of them may be 0 and then follows from the first picture's proportions.
            With both, what does not fit those proportions is cut off evenly. Both 0: ``scale`` decides.
        steps: Steps that are made, 0 to 150; 0 means as many as the first pass has.
        denoise: Denoising strength, 0.01 to 1: the share of the noise levels that the second pass goes through. With 0
            it makes no step, and the enlarged picture is not changed.
        sampler: A name of ``engine.shots.samplers.SAMPLERS``; "" is the first pass's. A name for sampler and schedule
            ("DPM++ 2M Karras") is read as both.
        schedule: A name of ``engine.shots.samplers.SCHEDULES``; "" is the first pass's.
        cfg: Guidance scale, 1 to 30; None is the first pass's.
        prompt: Of the second pass; "" is the first pass's.
        negative: Of the second pass; "" is the first pass's.

    Raises:
        RenderError: A value is out of its range; all such values are named.
    """

    upscaler: str = "Latent"
    scale: float = 2.0
    resize: tuple[int, int] = (0, 0)
    steps: int = 0
    denoise: float = 0.7
    sampler: str = ""
    schedule: str = ""
    cfg: float | None = None
    prompt: str = ""
    negative: str = ""

    def __post_init__(self) -> None:
        if problems := [problem.under("hires") for problem in _problems(self)]:
            raise RenderError.of(problems, "the shot")
        object.__setattr__(self, "upscaler", known_upscaler(self.upscaler))
        if self.sampler:
            sampler, schedule = normalised(self.sampler, self.schedule or AUTOMATIC)
            object.__setattr__(self, "sampler", sampler)
            object.__setattr__(self, "schedule", schedule if schedule != AUTOMATIC else self.schedule)
        else:
            object.__setattr__(self, "schedule", webui_schedule(self.schedule))

    @property
    def on_latents(self) -> bool:
        """Whether the latents are enlarged, and not the decoded picture."""
        return self.upscaler in LATENT_UPSCALERS

    @property
    def model(self) -> str:
        """Name of the model file that enlarges; empty where none does."""
        return "" if self.upscaler in UPSCALERS else self.upscaler

    def planned(self, steps: int) -> int:
        """Return how many steps are planned, of which the last ``steps`` are made; 0 without denoising."""
        return int(steps / min(self.denoise, STRONGEST)) if self.denoise else 0

    def target(self, width: int, height: int) -> Target:
        """Return how large a picture becomes, by the WebUI's rules: fractions of pixels are dropped.

        Args:
            width: Of the first picture, in pixels.
            height: Of the first picture, in pixels.
        """
        across, down = self.resize
        if not across and not down:
            return Target(width=int(width * self.scale), height=int(height * self.scale))
        by_width = Target(width=across, height=across * height // width)
        by_height = Target(width=down * width // height, height=down)
        if not across or not down:
            return by_width if across else by_height
        whole = by_width if width / height < across / down else by_height
        cut = ((whole.width - across) // LATENT_STEP, (whole.height - down) // LATENT_STEP)
        return Target(width=whole.width, height=whole.height, cut=cut)


def known_upscaler(name: str) -> str:
    """Return an upscaler's name as the WebUI writes it; the name of a model file is not changed."""
    return _BY_FOLD.get(name.casefold().strip(), name)


def _problems(hires: Hires) -> Iterator[Problem]:
    if not hires.upscaler.strip():
        what = f"must be one of {', '.join(UPSCALERS)}, or the name of a model file"
        yield Problem(place=("upscaler",), what=what, seen=hires.upscaler)
    yield from out_of_range("scale", hires.scale, SCALE, whole=False)
    yield from _resize_problems(hires.resize)
    yield from out_of_range("steps", hires.steps, (0, STEPS[1]), whole=True)
    yield from _denoise_problems(hires.denoise)
    if hires.cfg is not None:
        yield from out_of_range("cfg", hires.cfg, CFG, whole=False)
    if hires.sampler:
        yield from _sampler_problems(hires)
    elif hires.schedule and (problem := schedule_problem("", hires.schedule)):
        yield problem


def _denoise_problems(denoise: float) -> Iterator[Problem]:
    problems = list(out_of_range("denoise", denoise, DENOISE, whole=False))
    yield from problems
    if not problems and 0 < denoise < WEAKEST:
        yield Problem(place=("denoise",), what=f"must be 0, or {WEAKEST} to {DENOISE[1]}", seen=denoise)


def _sampler_problems(hires: Hires) -> Iterator[Problem]:
    try:
        normalised(hires.sampler, hires.schedule or AUTOMATIC)
    except RenderError as error:
        yield from error.problems


def _resize_problems(resize: tuple[int, int]) -> Iterator[Problem]:
    if type(resize) is not tuple or len(resize) != 2:
        yield Problem(place=("resize",), what="must be a width and a height, such as [1024, 0]", seen=resize)
        return
    for name, side in zip(("width", "height"), resize, strict=True):
        if type(side) is not int or side:
            yield from (problem.under("resize") for problem in out_of_range(name, side, SIDES, whole=True))
