"""The recommended settings, one after another in the article's order, and a look back at the end.

A later choice can undo an earlier one: with fewer steps another sampler may be better. So once all settings have their
answer, every earlier one is looked at again with all of them in place: the choice against the values that come up
to it, and against its neighbours. It stays unless it no longer comes up to the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from studies.after_recipe.settings.setup import SettingsSetup
from studies.after_recipe.settings.steps import Report, StepSearch, settings_after
from studies.after_recipe.settings.values import TriedValues, ValueToTry
from studies.pictures.plot_kinds import AXIS_KINDS, AxisKind
from studies.results.settings import COMES_UP, LookBack, PictureSettings, SettingsResult, SettingsStep, TriedValue
from studies.results.settings_file import write_settings

MOST_LOOKED_AT = 4
"""The most values, with the choice, that are compared when an earlier setting is looked at again."""

Progress = Callable[[str, int], AbstractContextManager[Report]]
"""Opens the display of a step's progress, by its name and its number of pictures at most."""


@dataclass(kw_only=True)
class SettingsSearch:
    """A search for the settings of one subject.

    Attributes:
        setup: what it works with.
        progress: shows how far a step is.
        on_step: is told of every step that has ended, with the result so far.
        on_look_back: is told of every earlier choice that was looked at again.
    """

    setup: SettingsSetup
    progress: Progress
    on_step: Callable[[SettingsStep], None] = lambda step: None
    on_look_back: Callable[[LookBack], None] = lambda look: None
    _steps: list[SettingsStep] = field(default_factory=list[SettingsStep], init=False)
    _looked: list[LookBack] = field(default_factory=list[LookBack], init=False)

    def run(self) -> SettingsResult:
        """Search all settings; the result is written after each of them.

        Raises:
            StudyError: pictures with the study's own settings cannot be made, or pictures cannot be judged.
            KeyboardInterrupt: Ctrl+C; what was rendered is kept.
        """
        settings = self.setup.start
        for kind in self.setup.values.asked.axes(hires=settings.hires is not None):
            step = self._step(kind, settings)
            settings = settings_after(step, settings)
            self._steps.append(step)
            self._write(settings, finished=False)
            self.on_step(step)
        settings = self._look_back(settings)
        return self._write(settings, finished=True)

    def _step(self, kind: AxisKind, settings: PictureSettings) -> SettingsStep:
        asked = kind.name in self.setup.values.asked.by_axis
        if reason := self.setup.values.whole_reason(kind, settings):
            return SettingsStep(axis=kind.name, values=(), asked=asked, reason=reason)
        return self._compared(kind.name, kind.name, self.setup.values.of(kind, settings), asked=asked)

    def _compared(self, title: str, axis: str, values: Sequence[ValueToTry], *, asked: bool = False) -> SettingsStep:
        setup = self.setup
        most = sum(not value.reason for value in values) * setup.pictures.judged.ends[-1]
        with self.progress(title, most) as report:
            search = StepSearch(pictures=setup.pictures, cost=setup.cost, margin=setup.margin, report=report)
            return search.search(axis, values, asked=asked)

    def _look_back(self, settings: PictureSettings) -> PictureSettings:
        """Every step but the last again, where something that came later has changed."""
        for step in self._steps:
            chosen = step.chosen
            if chosen is None or chosen.settings == settings:
                continue
            kind = AXIS_KINDS[step.axis]
            values = _rivals(kind, step, settings, self.setup.values)
            if len(values) < 2:
                continue
            again = self._compared(f"{step.axis} again", step.axis, values, asked=step.asked)
            holds = again.start is None or not again.start.is_lost
            look = LookBack(step=_held(again) if holds else again, holds=holds)
            settings = settings if holds else settings_after(again, settings)
            self._looked.append(look)
            self._write(settings, finished=False)
            self.on_look_back(look)
        return settings

    def _write(self, settings: PictureSettings, *, finished: bool) -> SettingsResult:
        setup = self.setup
        result = SettingsResult(
            study=setup.measuring.spec.storage.name,
            subject=setup.subject.label,
            subject_key=setup.subject.key,
            recipe=setup.subject.candidate.recipe.text,
            start=setup.start,
            final=settings,
            steps=tuple(self._steps),
            look_back=tuple(self._looked),
            margin=setup.margin,
            pictures=setup.pictures.pictures,
            shots=setup.pictures.judged.text,
            notes=setup.notes,
            finished=finished,
        )
        write_settings(setup.measuring.spec.storage.folder, result)
        return result


def _rivals(kind: AxisKind, step: SettingsStep, settings: PictureSettings, values: TriedValues) -> list[ValueToTry]:
    """The choice, and the values of its step that come nearest to it, with all other settings as they are now."""
    tried, chosen = step.tried, step.chosen
    place = next(at for at, value in enumerate(tried) if value is chosen)
    beside = {tried[at].label for at in (place - 1, place + 1) if 0 <= at < len(tried)}
    others = [value for value in tried if value is not chosen and (value.state in COMES_UP or value.label in beside)]
    others.sort(key=_shortfall)
    found = [ValueToTry(label=settings.texts[kind.name], settings=settings, is_start=True)]
    for value in others[: MOST_LOOKED_AT - 1]:
        again = values.again(kind, value.settings, settings) if value.settings else None
        if again and not again.reason and again.settings not in [one.settings for one in found]:
            found.append(again)
    return found


def _shortfall(value: TriedValue) -> float:
    """How far a value lay below the best of its step."""
    return -value.against_best.mean if value.against_best else 0.0


def _held(step: SettingsStep) -> SettingsStep:
    """A step whose answer is what it began with."""
    return replace(step, values=tuple(replace(value, chosen=value.is_start) for value in step.values))
