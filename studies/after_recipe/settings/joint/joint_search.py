"""All settings at once, with two objectives: the score of the pictures, and the work that one takes.

Optuna proposes combinations (``search.samplers.tradeoffs``), each judged by its first pictures against the settings
that the search began with. Those that no other combination beats in both, and those of the highest scores, are then
compared again, on pictures that had no part in choosing them: the highest of many scores is in part luck. The answer
is the cheapest that comes up to the best, by the rule of the search by steps (``decide``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.errors import counted
from search.samplers.tradeoffs import Places, in_effect, suggest_places
from studies.after_recipe.settings.decide import Comparison, ValuePictures, confidence_of
from studies.after_recipe.settings.joint.joint_space import UNCHANGED, JointSpace
from studies.after_recipe.settings.joint.joint_trials import JointTrial, JointTrials, told
from studies.after_recipe.settings.pictures import SettingsPictures, UnrenderedError
from studies.after_recipe.settings.search import Progress
from studies.after_recipe.settings.setup import SettingsSetup
from studies.after_recipe.settings.shots import FEWEST_PICTURES, JudgedShots
from studies.after_recipe.settings.steps import StepSearch, settings_after
from studies.after_recipe.settings.values import ValueToTry
from studies.results.settings import PictureSettings, SettingsDifference, SettingsResult, SettingsStep, TriedValue
from studies.results.settings_file import write_settings

TRIALS = 40
"""Combinations that are tried where nobody says otherwise."""
FINALISTS = 10
"""The most combinations that are compared again, beside the settings that the search began with."""
BEATEN = "another combination has a higher score for no more work"
NOT_CHOSEN = "not among those that were compared again"
"""Why a combination was not compared again."""
SAME_PICTURES = "It was chosen and compared on the same pictures: the study has too few for both."
"""The note where the answer's score may be a lucky one in part."""


@dataclass(kw_only=True)
class JointSearch:
    """A search for all settings of one subject at once.

    Attributes:
        setup: what it works with.
        progress: shows how far it is.
        trials: how many combinations are tried at most.
        on_trial: is told of every combination that was judged.
    """

    setup: SettingsSetup
    progress: Progress
    trials: int = TRIALS
    on_trial: Callable[[JointTrial], None] = lambda trial: None
    _done: list[JointTrial] = field(default_factory=list[JointTrial], init=False)
    _seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], init=False)

    def run(self) -> SettingsResult:
        """Search, and write the result.

        Raises:
            StudyError: pictures with the study's own settings cannot be made, or pictures cannot be judged.
            KeyboardInterrupt: Ctrl+C; what was rendered and judged is kept.
        """
        self._try_all()
        finalists = self._finalists()
        most = (len(finalists) + 1) * self._last.judged.ends[-1]
        start = ValueToTry(label=UNCHANGED, settings=self.setup.start, is_start=True)
        with self.progress("the best of them, compared again", most) as report:
            search = StepSearch(pictures=self._last, cost=self.setup.cost, margin=self.setup.margin, report=report)
            step = search.search("All settings", [start, *finalists])
        return self._written(step)

    # -------------------------------------------------------------------------------------------------- the trials

    @cached_property
    def space(self) -> JointSpace:
        """What is searched."""
        return JointSpace(values=self.setup.values, start=self.setup.start)

    @cached_property
    def _first(self) -> SettingsPictures:
        """The pictures by which combinations are proposed."""
        judged = self.setup.pictures.judged
        return replace(self.setup.pictures, judged=_part(judged, 0, judged.ends[0]))

    @cached_property
    def _last(self) -> SettingsPictures:
        """The pictures by which the best of them are compared again; the same where the study has no others."""
        judged = self.setup.pictures.judged
        if len(judged.shots) - judged.ends[0] < FEWEST_PICTURES:
            return self._first
        return replace(self.setup.pictures, judged=_part(judged, judged.ends[0], len(judged.shots)))

    def _try_all(self) -> None:
        spec, space = self.setup.measuring.spec, self.space
        kept = JointTrials(self.setup.folder, space.knobs, self._stamp)
        count = self._first.judged.ends[-1]
        with self.progress("all settings at once", self.trials * count) as report:
            for trial in kept.all()[: self.trials]:
                self._note(trial)
                report(trial.label, trial.pictures)
            while len(self._done) < self.trials:
                number = len(self._done)
                places = in_effect(space.knobs, space.unchanged) if not number else suggest_places(
                    space.knobs, told(self._done, self.setup.margin), seed=spec.search.seed, number=number,
                    allowed=self._is_new,
                )  # fmt: skip
                if places is None:
                    break
                trial = self._judged(places)
                kept.add(trial)
                self._note(trial)
                report(trial.label, trial.pictures)
                self.on_trial(trial)

    def _is_new(self, places: Places) -> bool:
        """Whether a choice can be rendered, and makes other pictures than all before it."""
        value = self.space.value(places)
        return value.settings is not None and not value.reason and self._key(value.settings) not in self._seen

    def _note(self, trial: JointTrial) -> None:
        settings = self.space.value(trial.places).settings
        self._done.append(trial)
        self._seen |= {self._key(settings)} if settings else set()

    def _key(self, settings: PictureSettings) -> tuple[str, str]:
        return settings.vae, settings.applied_to(self._first.judged.shots[0]).key

    def _judged(self, places: Places) -> JointTrial:
        value, count = self.space.value(places), self._first.judged.ends[-1]
        settings = value.settings
        assert settings is not None  # noqa: S101 - such choices are not proposed
        trial = JointTrial(places=places, label=value.label, cost=self.setup.cost.of(settings), pictures=count)
        try:
            own, start = (self._pictures(one, trial.label) for one in (settings, self.setup.start))
        except UnrenderedError as error:
            if value.is_start:
                raise
            return replace(trial, pictures=0, reason="; ".join(problem.what for problem in error.problems))
        if value.is_start:
            return replace(trial, difference=SettingsDifference(mean=0.0, low=0.0, high=0.0, pictures=count))
        standing = self._comparison([replace(start, label=UNCHANGED, is_start=True), own]).standings()[trial.label]
        return replace(trial, difference=standing.against_start, reason=standing.reason)

    def _pictures(self, settings: PictureSettings, label: str) -> ValuePictures:
        features = self._first.features(settings, self._first.judged.ends[-1])
        return ValuePictures(label=label, features=features, cost=self.setup.cost.of(settings))

    def _comparison(self, values: Sequence[ValuePictures]) -> Comparison:
        return Comparison(
            panel=self.setup.measuring.panel,
            values=values,
            confidence=confidence_of(len(values), 1),
            margin=self.setup.margin,
        )

    @property
    def _stamp(self) -> str:
        """Everything that the trials and their scores depend on."""
        setup, measuring = self.setup, self.setup.measuring
        options = [(axis.kind.name, [option.settings for option in axis.options]) for axis in self.space.axes]
        shots = [shot.key for shot in self._first.judged.shots]
        parts = [setup.start, options, shots, measuring.spec.search.seed, measuring.panel.version, setup.subject.key]
        tried = [option.settings for axis in self.space.axes for option in axis.options if option.settings]
        words = {word for settings in tried for word in setup.pictures.words(settings)}
        parts += [sorted(words)] if len(words) > 1 else []  # of files: another one of the same name is another search
        return "\n".join(map(repr, parts))

    # ----------------------------------------------------------------------------------------------------- the answer

    def _finalists(self) -> list[ValueToTry]:
        """The combinations of the front and of the highest scores that are not told from the best of them.

        The start goes without. A front by few pictures is in part one of luck: half of the places are for high scores.
        """
        trials = [trial for trial in self._done if trial.difference and trial.label != UNCHANGED]
        trials.sort(key=lambda trial: -trial.difference.mean if trial.difference else 0.0)
        front = front_of(trials)[: FINALISTS // 2]
        chosen = [*front, *(trial for trial in trials if trial not in front)][:FINALISTS]
        if len(chosen) > 1:
            values = [(trial, self.space.value(trial.places).settings) for trial in chosen]
            drawn = [self._pictures(settings, trial.label) for trial, settings in values if settings is not None]
            standings = self._comparison(drawn).standings()
            chosen = [trial for trial in chosen if standings[trial.label].state not in {"worse", "broken"}]
        return [self.space.value(trial.places) for trial in chosen]

    def _written(self, step: SettingsStep) -> SettingsResult:
        setup, again = self.setup, {value.label for value in step.values}
        front = {trial.label for trial in front_of(self._done)}
        others = [self._other(trial, front) for trial in self._done if trial.label not in again]
        pictures = sum(trial.pictures for trial in self._done)
        pictures += self._last.pictures if self._last is not self._first else 0
        result = SettingsResult(
            study=setup.measuring.spec.storage.name,
            subject=setup.subject.label,
            subject_key=setup.subject.key,
            recipe=setup.subject.candidate.recipe.text,
            mode="joint",
            start=setup.start,
            final=settings_after(step, setup.start),
            joint=(*step.values, *others),
            margin=setup.margin,
            pictures=pictures,
            shots=setup.pictures.judged.text,
            notes=(*setup.notes, *self._notes(step)),
            finished=True,
        )
        write_settings(setup.measuring.spec.storage.folder, result)
        return result

    def _other(self, trial: JointTrial, front: set[str]) -> TriedValue:
        """A combination that was not compared again."""
        usual = NOT_CHOSEN if trial.label in front else BEATEN
        return TriedValue(
            label=trial.label,
            settings=self.space.value(trial.places).settings,
            state="open" if trial.difference else "broken" if trial.pictures else "skipped",
            reason=trial.reason or usual,
            against_start=trial.difference if trial.label != UNCHANGED else None,
            cost=trial.cost,
            pictures=trial.pictures,
            is_start=trial.label == UNCHANGED,
        )

    def _notes(self, step: SettingsStep) -> list[str]:
        tried, of = counted(len(self._done), "combination"), self._first.judged.ends[-1]
        text = f"{tried} of all settings tried on {counted(of, 'picture')} each"
        again = f"{text}, {counted(len(step.tried), 'of them', 'of them')} compared again on"
        notes = [f"{again} the same.", SAME_PICTURES] if self._last is self._first else [f"{again} others."]
        return notes + [f"Not tried: {name}: {reason}." for name, reason in self.space.left_aside.items()]


def most_pictures(first: int, each: int, trials: int = TRIALS) -> int:
    """Return how many pictures a joint search takes at most.

    Args:
        first: pictures by which a combination is tried.
        each: pictures of a value at most, these among them.
        trials: combinations at most.
    """
    return trials * first + (FINALISTS + 1) * (each - first)


def front_of(trials: Sequence[JointTrial]) -> list[JointTrial]:
    """Return the trials that no other one beats in score and work, the highest score first; of like ones the first."""
    scored = [(trial.difference.mean, trial.cost, trial) for trial in trials if trial.difference]
    scored.sort(key=lambda one: (-one[0], one[1]))
    front: list[JointTrial] = []
    for _, cost, trial in scored:
        if not front or cost < front[-1].cost:
            front.append(trial)
    return front


def _part(judged: JudgedShots, first: int, end: int) -> JudgedShots:
    held_out = max(0, min(judged.held_out, end) - first)
    return JudgedShots(shots=judged.shots[first:end], held_out=held_out)
