"""Recommended settings for tests of cards, made of values alone."""

from __future__ import annotations

from dataclasses import replace

from engine.shots.hires import Hires
from studies.results.settings import (
    LookBack,
    PictureSettings,
    SettingsDifference,
    SettingsResult,
    SettingsStep,
    TriedValue,
    ValueState,
)

START = PictureSettings(
    sampler="DPM++ 2M", schedule="Karras", vae="merged", cfg=6.0, steps=20, clip_skip=1, width=512, height=768,
    hires=Hires(upscaler="Latent", scale=2.0, steps=10, denoise=0.7),
)  # fmt: skip
EULER = replace(START, sampler="Euler a", schedule="Automatic")
SOFT = replace(EULER, hires=Hires(upscaler="Lanczos", scale=2.0, steps=10, denoise=0.7))
CALM = replace(SOFT, cfg=3.5)
FINAL = replace(CALM, steps=12)


def value(
    label: str,
    settings: PictureSettings | None,
    state: ValueState,
    *,
    apart: tuple[float, float, float] | None = None,
    cost: float = 60.0,
    is_start: bool = False,
    chosen: bool = False,
    reason: str = "",
) -> TriedValue:
    """A value with 24 pictures."""
    difference = None
    if apart is not None:
        difference = SettingsDifference(mean=apart[0], low=apart[1], high=apart[2], pictures=24)
    return TriedValue(
        label=label, settings=settings, state=state, reason=reason, against_best=difference, cost=cost,
        pictures=0 if state == "skipped" else 24, is_start=is_start, chosen=chosen,
    )  # fmt: skip


SAMPLERS = SettingsStep(
    axis="Sampler",
    values=(
        value("DPM++ 2M Karras", START, "worse", apart=(-0.42, -0.71, -0.13), is_start=True),
        value("Euler a", EULER, "best", chosen=True),
        value("DPM++ SDE Karras", replace(START, sampler="DPM++ SDE"), "open", apart=(-0.1, -0.5, 0.3), cost=118.0),
        value("UniPC", None, "skipped", reason="it needs at least 3 steps"),
    ),
    confidence=0.983,
    most_pictures=24,
)
UPSCALERS = SettingsStep(
    axis="Hires upscaler",
    values=(
        value("Latent", EULER, "equal", apart=(-0.02, -0.1, 0.06), is_start=True),
        value("Lanczos", SOFT, "best", chosen=True),
    ),
    confidence=0.95,
    most_pictures=24,
    asked=True,
)
CFGS = SettingsStep(
    axis="CFG Scale",
    values=(
        value("6.0", SOFT, "worse", apart=(-0.59, -0.97, -0.22), is_start=True),
        value("3.5", CALM, "best", chosen=True),
        value("9.0", replace(SOFT, cfg=9.0), "broken", reason="20 of 24 pictures are burnt"),
    ),
    confidence=0.95,
    most_pictures=24,
)
STEPS = SettingsStep(
    axis="Steps",
    values=(
        value("20", CALM, "best", is_start=True),
        value("12", FINAL, "equal", apart=(-0.03, -0.12, 0.06), cost=52.0, chosen=True),
        value("6", replace(CALM, steps=6), "worse", apart=(-0.9, -1.4, -0.4), cost=46.0),
    ),
    confidence=0.95,
    most_pictures=24,
)


def settings_result() -> SettingsResult:
    """A finished search by steps."""
    return SettingsResult(
        study="夜", subject="pin 1", subject_key="0123456789ab", recipe="recipe", start=START, final=FINAL,
        steps=(SAMPLERS, UPSCALERS, CFGS, STEPS), look_back=(LookBack(step=CFGS, holds=True),), margin=0.1,
        pictures=240, rendered=240, shots="24 held-out prompts", notes=("Each value has the same prompts and seeds",),
        finished=True,
    )  # fmt: skip
