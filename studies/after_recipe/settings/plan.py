"""What a search for settings will cost, said before it begins; models are read by their headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import Named, ProblemError, counted, counted_range
from studies.after_recipe.measuring.subject import Subject, subject_of
from studies.after_recipe.settings.axes import AskedValues, asked_values
from studies.after_recipe.settings.cost import PictureCost
from studies.after_recipe.settings.search import MOST_LOOKED_AT
from studies.after_recipe.settings.setup import opened_models, upscalers_of, vaes_of
from studies.after_recipe.settings.shots import MOST_PICTURES, judged_shots
from studies.after_recipe.settings.vaes import vae_of_word
from studies.after_recipe.settings.values import TriedValues, start_settings
from studies.amounts import rest_text
from studies.errors import StudyError
from studies.pictures.plot_kinds import AxisKind
from studies.preflight.estimate import picture_seconds
from studies.preflight.findings import Finding
from studies.results.settings import PictureSettings
from studies.results.settings_file import read_settings
from studies.studyfile.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One setting before it is searched.

    Attributes:
        axis: its name.
        labels: of the values that will be rendered.
        work: of one picture with each of them but the one that there is, in pictures with the study's own settings.
        left_aside: why values that a person named will not be rendered, by their labels.
    """

    axis: str
    labels: tuple[str, ...]
    work: tuple[float, ...]
    left_aside: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSettings:
    """A search for settings before it begins.

    Attributes:
        steps: the settings with more than one value, in order.
        left_aside: values that a person named and that will not be rendered, each with its reason, for people.
        each: pictures of a value at most.
        first: pictures of a value at least.
    """

    steps: tuple[PlannedStep, ...]
    left_aside: tuple[str, ...]
    each: int
    first: int

    @property
    def fewest(self) -> int:
        """Pictures where every answer is clear at once, and nothing has to be looked at again."""
        return self.first * (1 + sum(len(step.labels) - 1 for step in self.steps))

    @property
    def most(self) -> int:
        """Pictures where no value is given up early, with the look back."""
        return self.each * (1 + sum(len(step.labels) - 1 + _again(step) for step in self.steps))

    @property
    def work(self) -> tuple[float, float]:
        """The work of the fewest and of the most pictures, in pictures with the study's own settings."""
        once = 1 + sum(sum(step.work) for step in self.steps)
        again = sum(_again(step) * sum(step.work) / len(step.work) for step in self.steps)
        return self.first * once, self.each * (once + again)

    def __str__(self) -> str:
        """For people: how many settings, values and pictures."""
        if not self.steps:
            return "there is no setting with more than one value to try"
        values = sum(len(step.labels) for step in self.steps)
        pictures = counted_range(self.fewest, self.most, "picture")
        return f"{counted(len(self.steps), 'setting')} with {counted(values, 'value')}, {pictures}"


def _again(step: PlannedStep) -> int:
    """Values of a step that are rendered again with the later choices, at most."""
    return min(len(step.labels), MOST_LOOKED_AT)


def planned_settings(
    spec: StudySpec,
    asked: AskedValues | None = None,
    *,
    subject: Subject | None = None,
    most: int = MOST_PICTURES,
) -> PlannedSettings:
    """Return what a search for settings will take; all values count as if the study's own settings stayed.

    Args:
        spec: the study.
        asked: what a person wants tried; None: as the study file says.
        subject: what is rendered; None: a recipe of the study.
        most: pictures of a value at most.

    Raises:
        StudyError: what a person wants tried cannot be read.
        CheckpointError: a model cannot be read.
    """
    asked = asked or asked_values(spec.settings_to_try, here=spec.storage.file.parent)
    judged, models = judged_shots(spec.shots, most), opened_models(spec, subject)
    widths, shot = next(iter(models.values())).widths, judged.shots[0]
    vaes = vaes_of(spec.rendering, asked, models)
    word = subject.candidate.vae if subject else next(iter(spec.rendering.vaes), "")
    start = start_settings(shot, vae_of_word(word, vaes).name, asked)
    values = TriedValues(
        asked=asked, family=widths.family, shot=shot, vaes=vaes, upscalers=upscalers_of(spec.rendering)
    )
    cost = PictureCost(shot=shot, size=(shot.width, shot.height), widths=widths)
    steps = [_planned_step(values, cost, name, start) for name in asked.axes(hires=start.hires is not None)]
    return PlannedSettings(
        steps=tuple(step for step in steps if len(step.labels) > 1),
        left_aside=tuple(f"{step.axis} {label}: {why}" for step in steps for label, why in step.left_aside.items()),
        each=judged.ends[-1],
        first=judged.ends[0],
    )


def _planned_step(values: TriedValues, cost: PictureCost, kind: AxisKind, start: PictureSettings) -> PlannedStep:
    found = [] if values.whole_reason(kind, start) else values.of(kind, start)
    tried = [one for one in found if not one.reason]
    named = [one for one in found if one.reason] if kind.name in values.asked.by_axis else []
    own = cost.of(PictureSettings.of_shot(cost.shot, start.vae))
    work = [cost.of(one.settings) / own for one in tried if one.settings and not one.is_start]
    left = {one.label: one.reason for one in named}
    return PlannedStep(axis=kind.name, labels=tuple(one.label for one in tried), work=tuple(work), left_aside=left)


def tried_texts(plan: PlannedSettings) -> Sequence[str]:
    """Return a line for each setting with its values, and for each that was asked for and cannot be tried."""
    lines = [f"{step.axis}: {', '.join(step.labels)}" for step in plan.steps]
    return [*lines, *(f"not tried: {line}" for line in plan.left_aside)]


def settings_costs(spec: StudySpec, picture_s: float) -> Iterator[Finding]:
    """Yield what a search for settings costs, or why it cannot begin; no night needs it.

    Args:
        spec: the study, whose models can be opened.
        picture_s: seconds of a picture with the study's own settings.
    """
    try:
        planned = planned_settings(spec)
    except StudyError as error:
        yield from (Finding(level="warning", problem=problem) for problem in error.problems)
        return
    took = f"{rest_text(0, [work * picture_s for work in planned.work])} where none is kept{_found(spec)}"
    yield Finding.of("note", (Named("settings"),), f"`recipe-search settings`: {planned}, {took}")


def _found(spec: StudySpec) -> str:
    """That there is a finished search of what is searched where nobody says more; "" where there is none."""
    try:
        subject = subject_of(spec)
        result = read_settings(spec.storage.folder, subject.key)
    except ProblemError:
        return ""
    pictures = counted(result.pictures, "picture")
    return f"; that of {subject.label} is finished, and its {pictures} are kept" if result.finished else ""


def picture_seconds_of(spec: StudySpec) -> float:
    """Return the estimated seconds of a picture with the study's own settings."""
    from engine.devices import device_of

    widths = opened_models(spec)["A"].widths
    return picture_seconds(spec.shots.trials[0], widths, device_of(spec.rendering.device))
