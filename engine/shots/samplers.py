"""Samplers and schedules by the names of AUTOMATIC1111's WebUI, and what is fixed about each.

Two notations are read: a sampler and a schedule type, as in the WebUI since 1.9, and one name for both, as before
("DPM++ 2M Karras"). The facts are those of WebUI 1.10 (``sd_samplers_kdiffusion``,
``sd_samplers_timesteps`` and ``sd_schedulers`` there). Free of torch and numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from engine.errors import Problem, RenderError, did_you_mean
from engine.shots.other_names import is_schedule, webui_sampler, webui_schedule

AUTOMATIC = "Automatic"
"""The name of the schedule type that leaves the schedule to the sampler."""
SCHEDULES: tuple[str, ...] = (
    AUTOMATIC,
    "Uniform",
    "Karras",
    "Exponential",
    "Polyexponential",
    "SGM Uniform",
    "KL Optimal",
    "Align Your Steps",
    "Simple",
    "Normal",
    "DDIM",
    "Beta",
)
"""The schedule types, by the WebUI's names."""
TIMES = 1000
"""The number of trained times of every model here."""
LCM_TIMES = 50
"""How many of them the sampler LCM knows: every twentieth, as consistency models were distilled (Luo et al. 2023,
https://arxiv.org/abs/2310.04378, section 4.3)."""
RESTARTS_FROM = 20
"""The fewest steps with which the sampler Restart restarts; with fewer it is Heun."""
ADAPTIVE_CALLS = 45
"""About how often "DPM adaptive" calls the model for a picture, whatever its number of steps."""


class Fresh(Enum):
    """Where a sampler's noise after the first comes from."""

    NONE = "none"
    STEPS = "one draw a step, from the picture's own stream"
    TREE = "increments of the picture's own Brownian path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """What is fixed about a sampler.

    Attributes:
        name: As the WebUI writes it.
        automatic: The schedule that "Automatic" means for it; empty for samplers with levels of their own.
        two_calls: Whether a step calls the model twice (a step that ends without noise calls it once).
        fresh: Where its noise after the first comes from.
        eta: Default share of new noise, 0 to 1; None where there is no such setting. Samplers that add noise all the
            same (Restart, LCM) need theirs.
        scales_noise: Whether the WebUI passes it ``s_noise``.
        churns: Whether noise can be added before its steps ("Sigma churn").
        discards: Whether one step more is planned and the second last level is left out.
        fewest: The fewest steps that work.
    """

    name: str
    automatic: str = "Uniform"
    two_calls: bool = False
    fresh: Fresh = Fresh.NONE
    eta: float | None = None
    scales_noise: bool = False
    churns: bool = False
    discards: bool = False
    fewest: int = 1


_STEPS, _TREE = Fresh.STEPS, Fresh.TREE
_ALL = (
    Sampler(name="DPM++ 2M", automatic="Karras"),
    Sampler(name="DPM++ SDE", automatic="Karras", fresh=_TREE, eta=1.0, scales_noise=True, two_calls=True),
    Sampler(name="DPM++ 2M SDE", automatic="Exponential", fresh=_TREE, eta=1.0, scales_noise=True),
    Sampler(name="DPM++ 2M SDE Heun", automatic="Exponential", fresh=_TREE, eta=1.0, scales_noise=True),
    Sampler(name="DPM++ 2S a", automatic="Karras", fresh=_STEPS, eta=1.0, scales_noise=True, two_calls=True),
    Sampler(name="DPM++ 3M SDE", automatic="Exponential", fresh=_TREE, eta=1.0, scales_noise=True, discards=True),
    Sampler(name="Euler a", fresh=_STEPS, eta=1.0),
    Sampler(name="Euler", churns=True),
    Sampler(name="LMS"),
    Sampler(name="Heun", two_calls=True, churns=True),
    Sampler(name="DPM2", automatic="Karras", two_calls=True, churns=True, discards=True),
    Sampler(
        name="DPM2 a",
        automatic="Karras",
        fresh=_STEPS,
        eta=1.0,
        scales_noise=True,
        two_calls=True,
        discards=True,
    ),
    Sampler(name="DPM fast", fresh=_STEPS, eta=1.0, scales_noise=True),
    Sampler(name="DPM adaptive", fresh=_STEPS, eta=1.0),
    Sampler(name="Restart", automatic="Karras", fresh=_STEPS, two_calls=True),
    Sampler(name="DDIM", automatic="", fresh=_STEPS, eta=0.0, fewest=2),
    Sampler(name="DDIM CFG++", automatic="", fresh=_STEPS, eta=0.0, fewest=2),
    Sampler(name="PLMS", automatic="", fewest=2),
    Sampler(name="UniPC", automatic="", fewest=3),
    Sampler(name="LCM", fresh=_STEPS),
)
SAMPLERS: dict[str, Sampler] = {sampler.name: sampler for sampler in _ALL}
"""Every sampler by its name, in the order of the WebUI's list."""

OLD_NAMES: tuple[str, ...] = (
    "LMS Karras",
    "DPM2 Karras",
    "DPM2 a Karras",
    "DPM++ 2S a Karras",
    "DPM++ 2M Karras",
    "DPM++ SDE Karras",
    "DPM++ 2M SDE Karras",
    "DPM++ 2M SDE Exponential",
    "DPM++ 2M SDE Heun Karras",
    "DPM++ 2M SDE Heun Exponential",
    "DPM++ 3M SDE Karras",
    "DPM++ 3M SDE Exponential",
)
"""Names of both at once in the list of WebUI 1.8; any other pair is read as well."""

_BY_FOLD = {name.casefold(): name for name in SAMPLERS}


def split_name(name: str) -> tuple[str, str] | None:
    """A sampler's name as (sampler, schedule): "dpm++ sde karras" is ("DPM++ SDE", "Karras").

    ComfyUI's and diffusers' names are read too, where the WebUI has the same sampler.

    Returns:
        The two as the WebUI writes them, the schedule "Automatic" where the name has none; None for an unknown name.
    """
    folded = " ".join(name.casefold().split())
    if folded in _BY_FOLD:
        return _BY_FOLD[folded], AUTOMATIC
    for schedule in SCHEDULES:
        sampler = _BY_FOLD.get(folded.removesuffix(f" {schedule.casefold()}"))
        if sampler is not None and SAMPLERS[sampler].automatic:
            return sampler, schedule
    other = webui_sampler(name)
    if other is None or other[1] not in SAMPLERS:
        return None
    program, sampler, schedule = other
    says = program != "diffusers" and schedule and SAMPLERS[sampler].automatic  # diffusers' is its default alone
    return sampler, schedule if says else AUTOMATIC


def sampler_problem(name: str) -> Problem | None:
    """What is wrong about a sampler's name; None if nothing is."""
    if split_name(name) is not None:
        return None
    other = webui_sampler(name)
    if other is None:
        what, remedy = "unknown sampler", did_you_mean(name, SAMPLERS, also=OLD_NAMES)
    else:
        what, remedy = (
            f"this sampler of {other[0]} has no equal among the WebUI's",
            f"choose one of {', '.join(SAMPLERS)}",
        )
    return Problem(place=("sampler",), what=what, seen=name, remedy=remedy)


def normalised(sampler: str, schedule: str) -> tuple[str, str]:
    """Return a sampler, in the old or the new notation, and a schedule, as the WebUI names them since 1.9.

    Raises:
        RenderError: An unknown name, or two schedules.
    """
    parts, schedule = split_name(sampler), webui_schedule(schedule)
    problems = [problem for problem in (sampler_problem(sampler), schedule_problem(sampler, schedule)) if problem]
    if problems or parts is None:
        raise RenderError.of(problems)
    if schedule == AUTOMATIC:
        return parts[0], parts[1] if parts[1] != AUTOMATIC else default_schedule(sampler)
    return parts[0], schedule


def default_schedule(sampler: str) -> str:
    """Return the schedule where none is given: "Automatic", but for the names of diffusers' schedulers."""
    other = webui_sampler(sampler) if sampler.casefold() not in _BY_FOLD else None
    return other[2] if other and other[0] == "diffusers" and other[2] else AUTOMATIC


def schedule_problem(sampler: str, schedule: str) -> Problem | None:
    """What is wrong about a schedule beside a known sampler; None if nothing is."""
    parts, given = split_name(sampler), schedule
    schedule = webui_schedule(schedule)
    what, remedy = "", ""
    if is_schedule(schedule) and schedule not in SCHEDULES:
        what, remedy = "this schedule has no equal among the WebUI's", f"choose one of {', '.join(SCHEDULES)}"
    elif schedule not in SCHEDULES:
        what, remedy = "unknown schedule", did_you_mean(schedule, SCHEDULES)
    elif parts is None or schedule in {AUTOMATIC, parts[1]}:
        return None
    elif parts[1] != AUTOMATIC:
        what = f"the sampler's name says {parts[1]} already"
        remedy = f'write sampler = "{parts[0]}", or leave schedule out'
    elif not SAMPLERS[parts[0]].automatic:
        what, remedy = f"{parts[0]} has noise levels of its own", "leave schedule out"
    return Problem(place=("schedule",), what=what, seen=given, remedy=remedy) if what else None


def resolved(sampler: str, schedule: str) -> str:
    """Return the schedule in effect: the sampler's own for "Automatic"; empty for a sampler with its own levels."""
    return SAMPLERS[sampler].automatic if schedule == AUTOMATIC else schedule


def spacing(steps: int, times: int = TIMES) -> int:
    """Return the times between two levels of DDIM, UniPC and the schedule "DDIM": a whole number."""
    return max(times // steps, 1)


def fewest_steps(sampler: str, *, second: bool = False) -> int:
    """Return the fewest steps of a sampler; those with levels of their own need one more in a second pass."""
    facts = SAMPLERS[sampler]
    return facts.fewest + (second and not facts.automatic)


def most_planned(sampler: str, schedule: str) -> int | None:
    """Return how many levels can be planned at most, where all of them are trained ones; None where there is no end."""
    return _trained_levels(sampler) if resolved(sampler, schedule) in {"", "DDIM", "Simple"} else None


def _trained_levels(sampler: str) -> int:
    """How many trained levels a sampler knows: LCM every twentieth."""
    return LCM_TIMES if sampler == "LCM" else TIMES


def unet_calls(sampler: str, schedule: str, steps: int, *, planned: int | None = None) -> int:
    """Return how often a picture calls the model; with guidance each call is of two passes.

    "DPM adaptive" chooses its steps while it samples: an estimate.

    Args:
        sampler: A name of ``SAMPLERS``.
        schedule: A name of ``SCHEDULES``.
        steps: At least the sampler's fewest.
        planned: In a second pass, how many steps are planned, of which these are the last; 0: none is made.
    """
    if planned == 0:
        return 0
    if sampler == "DPM adaptive":
        return ADAPTIVE_CALLS
    facts, follows = SAMPLERS[sampler], resolved(sampler, schedule)
    if not facts.automatic:
        return _own_calls(sampler, steps, second=planned is not None)
    if sampler == "DPM fast" and planned is None:
        return steps
    count, times = (planned or steps) + facts.discards, _trained_levels(sampler)
    made = len(range(1, times, spacing(count, times))) if follows == "DDIM" else count
    made -= facts.discards + (planned or steps) - steps
    ends_clean = follows != "KL Optimal" or (sampler == "Restart" and made >= RESTARTS_FROM)
    return 2 * made - ends_clean if facts.two_calls else made


def _own_calls(sampler: str, steps: int, *, second: bool) -> int:
    """The same for a sampler with levels of its own; at DDIM's last one is the final latent."""
    levels = steps - 1 if second else len(range(0, TIMES, spacing(steps)))
    return levels - sampler.startswith("DDIM")
