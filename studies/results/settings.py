"""What `recipe-search settings` finds: step by step, which setting is the cheapest that is not told from the best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.errors import counted
from engine.shots.hires import Hires
from engine.shots.infotext_values import written
from engine.shots.samplers import AUTOMATIC, SAMPLERS
from engine.shots.shot import Shot

ValueState = Literal["best", "equal", "open", "worse", "broken", "skipped"]
"""What is known of a value that was to be tried.

``best``: it has the highest score. ``equal``: it is shown to be worse than none by more than the margin. ``worse``: it
is told from the best, and estimated to be worse by more than the margin. ``open``: neither is shown.
``broken``: too many of its pictures show nothing. ``skipped``: it was not rendered, for a reason.
"""
STATES: tuple[ValueState, ...] = ("best", "equal", "open", "worse", "broken", "skipped")
"""Every state of a value."""
COMES_UP: tuple[ValueState, ...] = ("best", "equal", "open")
"""The states of values that may come up to the best."""


AS_FIRST = "the first pass's"
"""The value of a second pass that has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings:
    """The settings of pictures that are searched; everything else is as in the study.

    Attributes:
        sampler: as ``Shot``.
        schedule: as ``Shot``.
        eta: as ``Shot``; None is the sampler's own.
        vae: a file's name, "merged" for the one in the model; "" where the study says nothing of it.
        cfg: as ``Shot``.
        steps: as ``Shot``.
        clip_skip: as ``Shot``.
        width: of the first pass, in pixels.
        height: of the first pass, in pixels.
        hires: the second pass; None: there is none.
    """

    sampler: str
    schedule: str
    eta: float | None = None
    vae: str = ""
    cfg: float
    steps: int
    clip_skip: int
    width: int
    height: int
    hires: Hires | None = None

    @classmethod
    def of_shot(cls, shot: Shot, vae: str = "") -> PictureSettings:
        """Return the settings of a shot, whose pictures a VAE decodes; prompts of a second pass are left out."""
        found = cls(vae=vae, **{name: getattr(shot, name) for name in _OF_SHOTS})
        return replace(found, hires=replace(shot.hires, prompt="", negative="")) if shot.hires else found

    def applied_to(self, shot: Shot) -> Shot:
        """Return a shot with these settings and its own prompt, negative, seed and everything else.

        The second pass keeps its own prompts where the shot's has any.

        Raises:
            RenderError: they do not fit each other.
        """
        hires = self.hires
        if hires is not None and shot.hires is not None:
            hires = replace(hires, prompt=shot.hires.prompt, negative=shot.hires.negative)
        return replace(shot, **self.shot_fields | {"hires": hires})

    @property
    def shot_fields(self) -> dict[str, Any]:
        """The settings by the names of ``Shot``; the VAE is none of them."""
        return {name: getattr(self, name) for name in _OF_SHOTS}

    @property
    def sampler_name(self) -> str:
        """Sampler and schedule as one name, such as "DPM++ 2M Karras"; without what follows from the sampler alone."""
        follows = self.schedule if SAMPLERS[self.sampler].automatic else AUTOMATIC
        return self.sampler if follows == AUTOMATIC else f"{self.sampler} {follows}"

    @property
    def rows(self) -> dict[str, str]:
        """The settings for people, by the names of the WebUI, in the order in which they are searched."""
        found = {"Sampler": self.sampler, "Schedule type": self.schedule}
        found |= {"VAE": self.vae} if self.vae else {}
        hires = self.hires
        found |= {"Hires upscaler": hires.upscaler} if hires else {}
        texts = self.texts
        named = {"CFG scale": "CFG Scale", "Denoising strength": "Denoising", "Steps": "Steps"}
        named |= {name: name for name in ("Hires steps", "Clip skip", "Hires upscale", "Size")}
        return found | {name: texts[axis] for name, axis in named.items() if axis in texts}

    @property
    def texts(self) -> dict[str, str]:
        """The value of every setting as the WebUI writes it, by the names of plots' axes."""
        found = {"Sampler": self.sampler_name, "Schedule type": self.schedule, "VAE": self.vae}
        found |= {"CFG Scale": written(self.cfg), "Steps": written(self.steps), "Clip skip": written(self.clip_skip)}
        found |= {"Size": written((self.width, self.height))}
        hires = self.hires
        if hires is None:
            return found
        return found | {
            "Hires upscaler": hires.upscaler,
            "Hires sampler": f"{hires.sampler} {hires.schedule}".strip() or AS_FIRST,
            "Denoising": written(hires.denoise),
            "Hires steps": written(hires.steps or AS_FIRST),
            "Hires upscale": written(hires.resize if any(hires.resize) else hires.scale),
        }


ALIKE_COST = 1.1
"""Work that differs by less than this factor counts as the same: a tenth is no reason for another setting."""
_OF_SHOTS = ("sampler", "schedule", "eta", "cfg", "steps", "clip_skip", "width", "height", "hires")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsDifference:
    """By how much better a value's pictures are than another's, at equal prompts and seeds.

    Attributes:
        mean: in units of the panel's objective.
        low: lower end of its interval.
        high: upper end.
        pictures: how many pairs of pictures were compared.
    """

    mean: float
    low: float
    high: float
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedValue:
    """One value of a setting: what it costs, how good it is, and what became of it.

    Attributes:
        label: for people, such as "DPM++ 2M Karras" or "7.0".
        settings: all settings with this value; None where they cannot be put together.
        state: what is known of it.
        reason: why it was not rendered, is broken, or was given up; "".
        against_best: compared with the best value of the step, or, where it was given up early, with the best one of
            that look, which ``reason`` names; None for the best one, and where there is nothing.
        against_start: compared with the value that the step began with; None for that one, and where there is nothing.
        shortfall: by how much it may be worse than any other value at most; None where there is nothing.
        cost: work of a picture, in calls of the denoiser at the size of the study's first pass; counted, not measured.
        seconds: of a picture, measured; None where all its pictures were there before.
        pictures: how many it has.
        is_start: whether it is what the step began with.
        chosen: whether it is the answer of the step.
    """

    label: str
    settings: PictureSettings | None
    state: ValueState
    reason: str = ""
    against_best: SettingsDifference | None = None
    against_start: SettingsDifference | None = None
    shortfall: float | None = None
    cost: float = 0.0
    seconds: float | None = None
    pictures: int = 0
    is_start: bool = False
    chosen: bool = False

    @property
    def is_told(self) -> bool:
        """Whether it is told from the best, by however little."""
        lies_below = self.against_best is not None and self.against_best.high < 0
        return self.state in {"worse", "broken"} or lies_below

    @property
    def is_lost(self) -> bool:
        """Whether it does not come up to the best."""
        return self.state in {"worse", "broken"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsStep:
    """One setting, searched while all others stay.

    Attributes:
        axis: its name, as plots call it.
        values: every value, in the order in which they are tried; the one that the step began with among them.
        confidence: level of the intervals, which allows for the number of values and of looks.
        most_pictures: the most pictures of a value.
        asked: whether a person gave the values.
        reason: why nothing was tried; "" where something was.
    """

    axis: str
    values: tuple[TriedValue, ...]
    confidence: float = 0.0
    most_pictures: int = 0
    asked: bool = False
    reason: str = ""

    @property
    def tried(self) -> tuple[TriedValue, ...]:
        """The values that have pictures."""
        return tuple(value for value in self.values if value.state != "skipped")

    @property
    def chosen(self) -> TriedValue | None:
        """The answer; None where nothing was tried."""
        return next((value for value in self.values if value.chosen), None)

    @property
    def start(self) -> TriedValue | None:
        """What the step began with."""
        return next((value for value in self.values if value.is_start), None)

    @property
    def best(self) -> TriedValue | None:
        """The value with the highest score."""
        return next((value for value in self.values if value.state == "best"), None)

    @property
    def cannot_be_told(self) -> bool:
        """Whether values were tried, and none of them is told from the best."""
        return len(self.tried) > 1 and not any(value.is_told for value in self.tried)

    @property
    def sentence(self) -> str:
        """What came out, for people."""
        chosen, best, start = self.chosen, self.best, self.start
        if chosen is None or best is None or len(self.tried) < 2:
            return f"{self.axis}: nothing was tried" + (f" ({self.reason})" if self.reason else "")
        if self.cannot_be_told:
            pictures = counted(self.most_drawn, "picture")
            text = f"{self.axis}: the values cannot be told from each other with {pictures} each"
            stays = chosen.is_start
            return f"{text}; {chosen.label} " + ("stays" if stays else "is cheaper") + self._saving(start)
        near = [value for value in self.tried if value.state in COMES_UP and not self._is_passed_over(value, chosen)]
        cheaper = any(value.cost < chosen.cost for value in near)
        if chosen is best:
            others = "none that is a tenth cheaper" if cheaper else "no other" if len(near) == 1 else "no cheaper one"
            return f"{self.axis}: {chosen.label} is the best, and {others} comes up to it" + self._saving(start)
        among = any(value.cost <= chosen.cost for value in near if value is not chosen)
        place = "among the cheapest" if among else "the cheapest"
        text = f"{self.axis}: {chosen.label} is {place} of {len(near)} that come up to the best ({best.label})"
        return text + self._doubt(chosen) + self._saving(start)

    @staticmethod
    def _is_passed_over(value: TriedValue, chosen: TriedValue) -> bool:
        """Whether a value is cheaper and yet not the answer: its estimate lies too far below the best."""
        return value.cost * ALIKE_COST < chosen.cost

    @property
    def most_drawn(self) -> int:
        """Pictures of the value that has most."""
        return max((value.pictures for value in self.values), default=0)

    @staticmethod
    def _doubt(chosen: TriedValue) -> str:
        """How sure that is, where more pictures would be needed."""
        short = chosen.shortfall
        return f", though another may be better by up to {short:.2f}" if chosen.state == "open" and short else ""

    def _saving(self, start: TriedValue | None) -> str:
        chosen = self.chosen
        if chosen is None or start is None or start is chosen or not start.cost:
            return ""
        change = chosen.cost / start.cost - 1
        return f", {abs(change):.0%} {'less' if change < 0 else 'more'} work" if abs(change) >= 0.005 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """An earlier choice, tried again with all later choices in place.

    Attributes:
        step: the values that were compared again; what it began with is the choice of before.
        holds: whether that choice stays.
    """

    step: SettingsStep
    holds: bool

    @property
    def sentence(self) -> str:
        """What came out, for people."""
        start, chosen = self.step.start, self.step.chosen
        label = start.label if start else ""
        if self.holds or chosen is None:
            return f"{self.step.axis}: {label} still holds"
        return f"{self.step.axis}: {label} no longer holds, {chosen.label} takes its place"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsResult:
    """What came out for one subject.

    Attributes:
        study: its name.
        subject: what was rendered, for people: "pin 1", the name of a file.
        subject_key: of the subject.
        recipe: the subject's recipe, as text.
        mode: ``steps``: one setting after another; ``joint``: all at once.
        start: what the search began with: the study's own settings.
        final: the recommended settings.
        steps: in the order in which they were searched; of a joint search none.
        joint: of a joint search, every combination that was rendered; the chosen one among them.
        look_back: of a search by steps, every earlier choice looked at again.
        margin: the difference, in units of the objective, below which values count as equal.
        pictures: how many pictures all this is based on, each counted once.
        rendered: how many of them the last run of the command had to render.
        shots: which prompts and seeds were rendered, for people.
        notes: what one has to know to read the numbers.
        finished: whether the search came to its end.
    """

    study: str
    subject: str
    subject_key: str
    recipe: str
    mode: Literal["steps", "joint"] = "steps"
    start: PictureSettings
    final: PictureSettings
    steps: tuple[SettingsStep, ...] = ()
    joint: tuple[TriedValue, ...] = ()
    look_back: tuple[LookBack, ...] = ()
    margin: float = 0.0
    pictures: int = 0
    rendered: int = 0
    shots: str = ""
    notes: tuple[str, ...] = ()
    finished: bool = False

    @property
    def name(self) -> str:
        """The name of its folder; a search by steps and one of all settings at once do not replace each other."""
        return self.subject_key + ("-joint" if self.mode == "joint" else "")

    @property
    def title(self) -> str:
        """What it is of, for people: "pin 1", "pin 1, all settings at once"."""
        return self.subject + (", all settings at once" if self.mode == "joint" else "")

    @property
    def sentences(self) -> list[str]:
        """What came out, for people: a line for each step, then what no longer holds."""
        lines = [step.sentence for step in self.steps]
        lines += [f"looked back, {one.sentence}" for one in self.look_back if not one.holds]
        if self.look_back and all(one.holds for one in self.look_back):
            lines.append("looked back: every choice still holds with those that came after it")
        return lines
