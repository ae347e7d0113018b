"""The values of a setting that are tried, and those that are left aside with the reason why.

Nothing is tried that cannot be honoured: what no picture can have, what makes the same pictures as another value, what
has no effect on the family of models, what needs a file that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.architecture.families import TITLES
from engine.architecture.widths import FamilyName
from engine.errors import ProblemError
from engine.shots.hires import LATENT_UPSCALERS, Hires
from engine.shots.infotext_values import written
from engine.shots.limits import CFG, LATENT_STEP, SIDES, STEPS
from engine.shots.samplers import AUTOMATIC
from engine.shots.shot import Shot
from studies.after_recipe.settings.axes import AskedValues
from studies.after_recipe.settings.vaes import NamedVae, vae_of
from studies.errors import StudyError
from studies.pictures.plot_kinds import AxisKind, ShotSettings
from studies.results.settings import PictureSettings

SAMPLERS_TRIED: tuple[str, ...] = (
    "Euler a",
    "Euler",
    "DPM++ 2M Karras",
    "DPM++ 2M SDE Karras",
    "DPM++ SDE Karras",
    "DPM++ 3M SDE Exponential",
    "DDIM",
    "UniPC",
)
"""The samplers, with their schedules, that are tried where nobody names any: those that people use most."""
CFG_FACTORS = (0.5, 0.65, 0.8, 1.25, 1.5)
"""What the CFG scale is multiplied with; the results are rounded to halves."""
STEP_FACTORS = (0.4, 0.6, 0.8, 1.25, 1.5, 2.0)
"""What the number of steps is multiplied with."""
HIRES_STEP_SHARES = (0.25, 0.5, 0.75)
"""Steps of the second pass, as shares of the first's."""
STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""The denoising strengths that are tried."""
SCALES = (1.25, 1.5, 1.75, 2.0)
"""The factors by which a second pass enlarges that are tried."""
SIZE_FACTORS = (0.75, 1.25)
"""What width and height are multiplied with."""
CLIP_SKIPS = (1, 2)
"""The values of clip skip that are tried."""
PLAIN_UPSCALERS: tuple[str, ...] = (LATENT_UPSCALERS[0], LATENT_UPSCALERS[-1], "Lanczos")
"""The upscalers without a file that are tried."""
MOST_UPSCALERS = 6
"""The most upscaler files of the study's folder that are tried where nobody names any, by name."""
SECOND_PASS = Hires(scale=1.5, denoise=0.5)
"""The second pass to begin with where a person asks for one and the study has none."""
SKIPS_LAYERS: FamilyName = "sd1"
"""The family on which clip skip has an effect (``engine.prompts.encoders``)."""
FREE_STEPS = "DPM adaptive"
"""The sampler that chooses its steps itself."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Sampler": ("sampler", "schedule", "eta"),
    "Schedule type": ("schedule",),
    "VAE": ("vae",),
    "CFG Scale": ("cfg",),
    "Steps": ("steps",),
    "Clip skip": ("clip_skip",),
    "Size": ("width", "height"),
}
"""What each setting is in ``PictureSettings``."""
NUMBERS = frozenset({"CFG Scale", "Denoising", "Steps", "Hires steps", "Clip skip", "Hires upscale"})
"""The settings whose values are numbers, which are tried in their order."""
OF_SECOND_PASS: Mapping[str, tuple[str, ...]] = {
    "Hires upscaler": ("upscaler",),
    "Hires sampler": ("sampler", "schedule"),
    "Denoising": ("denoise",),
    "Hires steps": ("steps",),
    "Hires upscale": ("scale", "resize"),
}
"""What each setting of a second pass is in ``Hires``."""

Refusal = Callable[[PictureSettings], str]
"""Why pictures with some settings cannot be made or judged; "" where they can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueToTry:
    """One value of a setting.

    Attributes:
        label: for people.
        settings: all settings with this value; None where they do not fit each other.
        reason: why it is not tried; "" where it is.
        is_start: whether it is what the step begins with.
    """

    label: str
    settings: PictureSettings | None
    reason: str = ""
    is_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedValues:
    """Makes the values of every setting.

    Attributes:
        asked: what a person wants tried.
        family: of the models.
        shot: one of those that are rendered, with the study's settings.
        vaes: what can decode.
        upscalers: names of the upscaler files that are there.
        refusal: what else speaks against a value.
    """

    asked: AskedValues
    family: FamilyName
    shot: Shot
    vaes: Sequence[NamedVae] = ()
    upscalers: Sequence[str] = ()
    refusal: Refusal = lambda settings: ""

    def of(self, kind: AxisKind, start: PictureSettings) -> list[ValueToTry]:
        """Return the values of a setting, the one that there is among them; those that are not tried say why.

        Numbers come in order; of others the one that there is comes first.

        Args:
            kind: the setting.
            start: all settings as they are.
        """
        first = ValueToTry(label=start.texts[kind.name], settings=start, is_start=True)
        found = [first]
        values = self.asked.by_axis.get(kind.name)
        for value in self._usual(kind, start) if values is None else values:
            one = self._tried(kind, value, start)
            if any(one.settings == other.settings for other in found if one.settings):
                continue  # said twice, or what there is already
            found.append(one if one.reason else replace(one, reason=self._sameness(one, found)))
        return sorted(found, key=lambda one: _number(kind, one))

    def whole_reason(self, kind: AxisKind, start: PictureSettings) -> str:
        """Return why no value of a setting can make a difference; "" where one may."""
        if kind.name == "Clip skip" and self.family != SKIPS_LAYERS:
            return f"clip skip has no effect on {TITLES[self.family].removeprefix('an ')}s"
        if kind.name == "Steps" and start.sampler == FREE_STEPS:
            return f"{FREE_STEPS} chooses its steps itself"
        return ""

    def again(self, kind: AxisKind, earlier: PictureSettings, settings: PictureSettings) -> ValueToTry:
        """Return the value that one setting had earlier, with all others as they are now.

        Args:
            kind: the setting.
            earlier: all settings when it had that value.
            settings: as they are now.
        """
        return self._checked(earlier.texts[kind.name], kind, lambda: with_value_of(kind, earlier, settings))

    def _tried(self, kind: AxisKind, value: Any, start: PictureSettings) -> ValueToTry:
        label = written(value) if kind.name in NUMBERS else kind.text_of(value)
        return self._checked(label, kind, lambda: self._with(kind, value, start))

    def _checked(self, label: str, kind: AxisKind, made: Callable[[], PictureSettings]) -> ValueToTry:
        try:
            settings = made()
            settings.applied_to(self.shot)
        except ProblemError as error:
            return ValueToTry(label=label, settings=None, reason="; ".join(map(str, error.problems)))
        return ValueToTry(label=settings.texts[kind.name], settings=settings, reason=self.refusal(settings))

    def _with(self, kind: AxisKind, value: Any, start: PictureSettings) -> PictureSettings:
        if kind.sort != "vae":
            return with_value(kind, value, start)
        found = vae_of(value, self.vaes)
        if found is None or found.reason:
            raise StudyError(found.reason if found else "there is no such VAE")
        return replace(start, vae=found.name)

    def _sameness(self, one: ValueToTry, others: Sequence[ValueToTry]) -> str:
        """Which other value makes the same pictures; "" where none does."""
        if one.settings is None:
            return ""
        key = one.settings.applied_to(self.shot).key
        for other in others:
            if other.settings is None or other.settings.vae != one.settings.vae:
                continue
            if not other.reason and other.settings.applied_to(self.shot).key == key:
                return f"makes the same pictures as {other.label}"
        return ""

    def _usual(self, kind: AxisKind, start: PictureSettings) -> Iterator[Any]:
        """The values that are tried where a person names none."""
        hires = start.hires or SECOND_PASS
        usual: dict[str, Callable[[], Sequence[Any]]] = {
            "Sampler": lambda: SAMPLERS_TRIED,
            "VAE": lambda: [vae.path for vae in self.vaes if not vae.reason],
            "Hires upscaler": lambda: [*PLAIN_UPSCALERS, *self.upscalers[:MOST_UPSCALERS]],
            "CFG Scale": lambda: _around(start.cfg, CFG_FACTORS, CFG, 2),
            "Denoising": lambda: STRENGTHS,
            "Steps": lambda: [int(count) for count in _around(start.steps, STEP_FACTORS, STEPS, 1)],
            "Hires steps": lambda: [0, *(max(1, round(start.steps * share)) for share in HIRES_STEP_SHARES)],
            "Clip skip": lambda: CLIP_SKIPS,
            "Hires upscale": lambda: SCALES if not any(hires.resize) else (),
            "Size": lambda: [_scaled((start.width, start.height), factor) for factor in SIZE_FACTORS],
        }
        yield from dict.fromkeys(usual[kind.name]())


def with_value(kind: AxisKind, value: Any, start: PictureSettings) -> PictureSettings:
    """Return settings with another value of one of them, except of the VAE.

    Another sampler brings its own schedule and eta along, in a second pass that has no sampler of its own too.

    Raises:
        RenderError: no picture can have them.
    """
    fields: ShotSettings = start.shot_fields
    hires = start.hires
    if kind.name == "Sampler":
        fields = {**fields, "schedule": AUTOMATIC, "eta": None}
        if hires is not None and not hires.sampler:
            fields = {**fields, "hires": replace(hires, schedule="")}
    if kind.name == "Hires sampler" and hires is not None:
        fields = {**fields, "hires": replace(hires, schedule="")}
    assert kind.put is not None  # noqa: S101 - settings of shots have it
    made = Shot(prompt="", seed=0, **kind.put(fields, value, [value]))
    return PictureSettings.of_shot(made, start.vae)


def with_value_of(kind: AxisKind, source: PictureSettings, settings: PictureSettings) -> PictureSettings:
    """Return settings with the value that one of them has in others."""
    own = {name: getattr(source, name) for name in FIELDS.get(kind.name, ())}
    within = OF_SECOND_PASS.get(kind.name, ())
    if settings.hires is None or source.hires is None or not within:
        return replace(settings, **own)
    return replace(settings, hires=replace(settings.hires, **{name: getattr(source.hires, name) for name in within}))


def start_settings(shot: Shot, vae: str, asked: AskedValues) -> PictureSettings:
    """Return the settings that the search begins with: the study's, with or without a second pass as a person asks.

    Args:
        shot: one of the study's.
        vae: name of the VAE that decodes.
        asked: what a person wants.
    """
    start = PictureSettings.of_shot(shot, vae)
    if asked.hires is False:
        return replace(start, hires=None)
    return replace(start, hires=SECOND_PASS) if asked.hires and start.hires is None else start


def _number(kind: AxisKind, value: ValueToTry) -> float:
    """The place of a value among others: by its number, where it has one and can be tried."""
    if kind.name not in NUMBERS or value.settings is None:
        return math.inf if kind.name in NUMBERS else 0.0
    hires = value.settings.hires
    within = OF_SECOND_PASS.get(kind.name)
    if within is None:
        return float(getattr(value.settings, FIELDS[kind.name][0]))
    found = float(getattr(hires, within[0])) if hires else 0.0
    return math.inf if hires and kind.name == "Hires upscale" and any(hires.resize) else found


def _around(value: float, factors: Sequence[float], limits: tuple[float, float], parts: int) -> list[float]:
    """A number times some factors, rounded to so many parts of a whole, within limits, in order."""
    made = [round(value * factor * parts) / parts for factor in factors]
    return sorted({min(max(one, limits[0]), limits[1]) for one in made} - {value})


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """A size times a factor, in whole latents of eight by eight, so that every model can draw it."""
    unit = 8 * LATENT_STEP
    width, height = (min(max(round(side * factor / unit) * unit, SIDES[0]), SIDES[1]) for side in size)
    return width, height
