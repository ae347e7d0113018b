"""All settings as one space: which values each has, and the settings that a choice of all of them makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search.samplers.tradeoffs import OptionKnob, Places
from studies.after_recipe.settings.values import FREE_STEPS, TriedValues, ValueToTry
from studies.pictures.plot_kinds import AxisKind
from studies.results.settings import PictureSettings

UNCHANGED = "the study's own"
"""The label of the settings that the search begins with."""

_ORDERS: Mapping[str, Callable[[PictureSettings], Any]] = {
    "CFG Scale": lambda one: one.cfg,
    "Steps": lambda one: one.steps,
    "Clip skip": lambda one: one.clip_skip,
    "Size": lambda one: one.width * one.height,
    "Denoising": lambda one: one.hires.denoise if one.hires else 0,
    "Hires steps": lambda one: (one.hires.steps or one.steps) if one.hires else 0,
    "Hires upscale": lambda one: (one.hires.scale, one.hires.resize) if one.hires else (0, (0, 0)),
}
"""What the values of a setting are ordered by, where neighbours are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointAxis:
    """One setting and its values, in order where they have one."""

    kind: AxisKind
    options: tuple[ValueToTry, ...]

    @property
    def start(self) -> int:
        """The place of what there is before the search."""
        return next(place for place, option in enumerate(self.options) if option.is_start)


@dataclass(frozen=True, kw_only=True)
class JointSpace:
    """Every combination of the values of all settings.

    Attributes:
        values: makes them.
        start: the settings that the search begins with.
    """

    values: TriedValues
    start: PictureSettings

    @cached_property
    def axes(self) -> tuple[JointAxis, ...]:
        """The settings that have more than one value."""
        kinds = self.values.asked.axes(hires=self.start.hires is not None)
        found = [self._axis(kind) for kind in kinds if not self.values.whole_reason(kind, self.start)]
        return tuple(axis for axis in found if len(axis.options) > 1)

    @property
    def left_aside(self) -> dict[str, str]:
        """Why a value of a setting is not tried in any combination, by its name."""
        kinds = self.values.asked.axes(hires=self.start.hires is not None)
        found = {kind.name: reason for kind in kinds if (reason := self.values.whole_reason(kind, self.start))}
        for kind in (kind for kind in kinds if kind.name not in found):
            values = self.values.of(kind, self.start)
            found |= {f"{kind.name} {value.label}": value.reason for value in values if value.reason}
        return found

    @cached_property
    def knobs(self) -> tuple[OptionKnob, ...]:
        """The settings as what Optuna chooses among."""
        return tuple(
            OptionKnob(
                name=axis.kind.name,
                options=len(axis.options),
                ordered=axis.kind.name in _ORDERS,
                beside=self._beside(axis.kind.name),
            )
            for axis in self.axes
        )

    @property
    def unchanged(self) -> dict[str, int]:
        """The places of the settings that the search begins with."""
        return {axis.kind.name: axis.start for axis in self.axes}

    def value(self, places: Places) -> ValueToTry:
        """Return the settings of a choice; with the reason where they cannot be rendered.

        Args:
            places: of the settings in effect; the others are as before the search.
        """
        settings, labels = self.start, list[str]()
        for axis in self.axes:
            place = places.get(axis.kind.name, axis.start)
            option = axis.options[place]
            if option.is_start or option.settings is None:
                continue
            one = self.values.again(axis.kind, option.settings, settings)
            if one.settings is None:
                return one
            settings = one.settings
            labels.append(f"{axis.kind.name} {settings.texts[axis.kind.name]}")
        label = ", ".join(labels) or UNCHANGED
        reason = self.values.refusal(settings)
        return ValueToTry(label=label, settings=settings, reason=reason, is_start=settings == self.start)

    def _axis(self, kind: AxisKind) -> JointAxis:
        options = [option for option in self.values.of(kind, self.start) if option.settings and not option.reason]
        order = _ORDERS.get(kind.name)
        if order is not None:
            options.sort(key=lambda option: order(option.settings or self.start))
        return JointAxis(kind=kind, options=tuple(options))

    def _beside(self, name: str) -> tuple[str, frozenset[int]] | None:
        """The sampler that chooses its steps itself leaves the number of steps without effect."""
        sampler = next((axis for axis in self.axes if axis.kind.name == "Sampler"), None)
        if name != "Steps" or sampler is None:
            return None
        counted = [n for n, option in enumerate(sampler.options) if option.settings and not _is_free(option.settings)]
        return ("Sampler", frozenset(counted)) if len(counted) < len(sampler.options) else None


def _is_free(settings: PictureSettings) -> bool:
    return settings.sampler == FREE_STEPS
