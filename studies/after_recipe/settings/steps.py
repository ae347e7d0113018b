"""One setting searched while all others stay: rendered in rounds, compared, the cheapest that is not told is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from studies.after_recipe.settings.cost import PictureCost
from studies.after_recipe.settings.decide import Comparison, ValuePictures, confidence_of
from studies.after_recipe.settings.pictures import SettingsPictures, UnrenderedError
from studies.after_recipe.settings.values import ValueToTry
from studies.results.settings import ALIKE_COST, PictureSettings, SettingsStep, TriedValue

if TYPE_CHECKING:
    pass

Report = Callable[[str, int], None]
"""Is told which value has more pictures, and how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSearch:
    """Searches one setting at a time.

    Attributes:
        pictures: renders.
        cost: counts the work of a picture.
        margin: below which differences do not count.
        report: is told of every chunk of pictures.
    """

    pictures: SettingsPictures
    cost: PictureCost
    margin: float
    report: Report = lambda label, count: None

    def search(self, axis: str, values: Sequence[ValueToTry], *, asked: bool = False) -> SettingsStep:
        """Compare the values of one setting.

        Args:
            axis: name of the setting.
            values: the one that there is among them; those with a reason are not rendered.
            asked: whether a person gave them.

        Raises:
            StudyError: the pictures of the first value cannot be made, or pictures cannot be judged.
        """
        first = sorted(values, key=lambda value: not value.is_start)  # so that others are left aside for being like it
        rounds = _Rounds(search=self, values=[value for value in first if not value.reason])
        if len(rounds.values) < 2:
            reason = "there is no other value to try"
            tried = tuple(_skipped(value) for value in values if not value.is_start)
            return SettingsStep(axis=axis, values=tried, asked=asked, reason=reason)
        comparison = rounds.run()
        found = tuple(rounds.tried(value, comparison) for value in values)
        return SettingsStep(
            axis=axis,
            values=found,
            confidence=rounds.confidence,
            most_pictures=self.pictures.judged.ends[-1],
            asked=asked,
        )


@dataclass(kw_only=True)
class _Rounds:
    """The values of a step, while they are rendered."""

    search: StepSearch
    values: list[ValueToTry]
    drawn: dict[str, ValuePictures] = field(default_factory=dict[str, ValuePictures])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    confidence: float = 0.95

    def run(self) -> Comparison:
        """Render until the answer is clear, or all pictures are there; the comparison of what is there then."""
        ends = self.search.pictures.judged.ends
        self.confidence = confidence_of(len(self.values), len(ends))
        for end in ends:
            for value in self.values:
                if value.label not in self.reasons and not self._is_given_up(value):
                    self._draw(value, end)
            comparison = self._comparison()
            if end == ends[-1] or comparison.is_clear():
                break
            for lost in comparison.given_up():
                self.drawn[lost.label] = lost
        return self._comparison()

    def tried(self, value: ValueToTry, comparison: Comparison) -> TriedValue:
        """What became of a value."""
        reason = value.reason or self.reasons.get(value.label, "")
        if reason or value.settings is None:
            return _skipped(replace(value, reason=reason))
        standing, own = comparison.standings()[value.label], self.drawn[value.label]
        answer = comparison.answer()
        return TriedValue(
            label=value.label,
            settings=value.settings,
            state=standing.state,
            reason=standing.reason,
            against_best=standing.against_best,
            against_start=standing.against_start,
            shortfall=standing.shortfall,
            cost=own.cost,
            seconds=self.search.pictures.seconds(value.settings),
            pictures=len(own.features),
            is_start=value.is_start,
            chosen=answer is not None and answer.label == value.label,
        )

    def _comparison(self) -> Comparison:
        return Comparison(
            panel=self.search.pictures.measuring.panel,
            values=list(self.drawn.values()),
            confidence=self.confidence,
            margin=self.search.margin,
        )

    def _is_given_up(self, value: ValueToTry) -> bool:
        return value.label in self.drawn and self.drawn[value.label].loss is not None

    def _draw(self, value: ValueToTry, count: int) -> None:
        """Have a value's first pictures; one that cannot be rendered, or makes another's pictures, is left aside."""
        assert value.settings is not None  # noqa: S101 - it would have a reason
        before = self.drawn.get(value.label)
        try:
            features = self.search.pictures.features(value.settings, count)
            self.search.report(value.label, count - (len(before.features) if before else 0))
        except UnrenderedError as error:
            if value.is_start:
                raise
            self._leave(value, "; ".join(problem.what for problem in error.problems))
            return
        cost = self.search.cost.of(value.settings)
        others = [one for one in self._of_size(count) if one.label != value.label and one.cost <= cost * ALIKE_COST]
        if twin := next((one for one in others if one.features.resembles(features)), None):
            self._leave(value, f"makes the same pictures as {twin.label}")
            return
        self.drawn[value.label] = ValuePictures(
            label=value.label, features=features, cost=cost, is_start=value.is_start
        )

    def _leave(self, value: ValueToTry, reason: str) -> None:
        self.reasons[value.label] = reason
        self.drawn.pop(value.label, None)

    def _of_size(self, count: int) -> list[ValuePictures]:
        return [one for one in self.drawn.values() if len(one.features) == count]


def _skipped(value: ValueToTry) -> TriedValue:
    return TriedValue(label=value.label, settings=value.settings, state="skipped", reason=value.reason)


def settings_after(step: SettingsStep, before: PictureSettings) -> PictureSettings:
    """Return the settings with the answer of a step; as before where it has none."""
    chosen = step.chosen
    return before if chosen is None or chosen.settings is None else chosen.settings
