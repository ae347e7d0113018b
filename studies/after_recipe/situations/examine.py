"""The examination: a recipe, its parents and the best FLAT mix in many situations, and what that comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from studies.after_recipe.measuring.opened import Measuring, measuring
from studies.after_recipe.measuring.subject import Subject, subject_of
from studies.after_recipe.situations.assembling import assembled
from studies.after_recipe.situations.numbers.fidelity import prompt_scorer
from studies.after_recipe.situations.numbers.measured import RecipeLabels, SituationMeter, SituationNumbers
from studies.after_recipe.situations.numbers.statistics import CONFIDENCE, IntervalLevel
from studies.after_recipe.situations.numbers.verdicts import is_open
from studies.after_recipe.situations.rivals import best_flat, parents_of
from studies.after_recipe.situations.rounds import PictureRequest, RoundPictures, draw_rounds, looks
from studies.after_recipe.situations.shots import SituationShot, situation_seeds, suite_shots
from studies.after_recipe.situations.showing.pictures import KeptPictures, forget_others, with_pictures
from studies.after_recipe.situations.suite import Suite, read_suite
from studies.progress import meter
from studies.results.situations import SituationsResult, write_situations
from studies.studyfile.spec import StudySpec

if TYPE_CHECKING:
    from rich.console import Console

    from scorers.features import Features


@dataclass(kw_only=True)
class Examination:
    """One recipe in all situations of a suite.

    Attributes:
        opened: the study, opened to measure.
        subject: the examined recipe.
        suite: of situations.
    """

    opened: Measuring
    subject: Subject
    suite: Suite
    _numbers: dict[str, SituationNumbers] = field(default_factory=dict[str, SituationNumbers], init=False)

    @property
    def spec(self) -> StudySpec:
        """The study."""
        return self.opened.spec

    @cached_property
    def recipes(self) -> Mapping[str, Subject]:
        """The examined recipe, the parents, and the best FLAT mix unless it is one of these, by label."""
        parents = parents_of(self.spec)
        flat = best_flat(self.spec, self.opened.store.history())
        known = {one.key for one in (self.subject, *parents)}
        return {one.label: one for one in (self.subject, *parents, *([] if flat.key in known else [flat]))}

    @cached_property
    def labels(self) -> RecipeLabels:
        """The labels of the recipes."""
        models = self.spec.merge.models
        others = [label for label in self.recipes if label != self.subject.label]
        return RecipeLabels(
            subject=self.subject.label,
            parents=tuple(label for label in others if label in models),
            flats=tuple(label for label in others if label not in models),
        )

    @cached_property
    def shots(self) -> Mapping[str, Sequence[SituationShot]]:
        """All shots that may be drawn, by the keys of the situations."""
        return suite_shots(self.suite, self.spec, situation_seeds(self.spec.shots, self.spec.situations.seeds))

    @cached_property
    def meter(self) -> SituationMeter:
        """What turns pictures into numbers."""
        panel = self.opened.panel
        return SituationMeter(panel=panel, scorer=prompt_scorer(panel), shots=self.shots, labels=self.labels)

    @property
    def ends(self) -> tuple[int, ...]:
        """After how many seeds the answers are looked at."""
        return looks(self.spec.situations.seeds)

    @property
    def most_pictures(self) -> int:
        """How many pictures there are if no answer is clear early."""
        return len(self.shots) * self.spec.situations.seeds * len(self.recipes)

    @property
    def comparisons(self) -> int:
        """How many intervals of a kind hold together."""
        return len(self.suite.situations) * len(self.labels.rivals)

    def run(self, console: Console) -> SituationsResult:
        """Draw what is needed, and return the result; it and its pictures are kept in the study's folder.

        Raises:
            StudyError: a picture cannot be made, or something cannot be written.
            ScorerError: a scorer failed.
            KeyboardInterrupt: Ctrl+C; the same again goes on.
        """
        with meter("situations", self.most_pictures, console) as bar:

            def draw(request: PictureRequest) -> Features:
                made = self.opened.make(self.recipes[request.recipe], [one.shot for one in request.shots])
                bar.advance(len(request.shots), note=request.recipe)
                return made

            def open_after(look: int, going_on: Sequence[str], drawn: RoundPictures) -> Sequence[str]:
                left = self._open_after(look, going_on, drawn)
                still = self.spec.situations.seeds - self.ends[look]
                bar.expect(bar.done + len(self.recipes) * len(left) * still)
                return left

            draw_rounds(tuple(self.recipes), self.shots, draw, open_after)
        result = assembled(self.spec, self.suite, self.shots, self.recipes, self.labels, self._numbers)
        kept = KeptPictures(opened=self.opened, recipes=self.recipes, suite=self.suite, shots=self.shots)
        result = with_pictures(self.spec.storage.folder, result, kept)
        write_situations(self.spec.storage.folder, result)
        forget_others(self.spec.storage.folder, result)
        return result

    def _open_after(self, look: int, going_on: Sequence[str], drawn: RoundPictures) -> Sequence[str]:
        """Note the numbers of the situations that took part in a round, and return which of them are not clear."""
        level = IntervalLevel(confidence=CONFIDENCE, comparisons=self.comparisons, looks=len(self.ends))
        every = self.meter.numbers(drawn, level)
        self._numbers.update({key: every[key] for key in going_on})
        if look == len(self.ends) - 1:
            return ()
        (subject, parents), seeds = (self.labels.subject, self.labels.parents), self.ends[-1]
        return [key for key in going_on if is_open(every[key], subject, parents, level, seeds)]


def examine(
    spec: StudySpec, console: Console, *, finalist: int | None = None, file: Path | None = None
) -> SituationsResult:
    """Examine a recipe in the situations of the study's suite; what was drawn before is not drawn again.

    Args:
        spec: the study.
        console: takes the progress.
        finalist: number of a finalist, from 1.
        file: a recipe file, or a merged checkpoint; without either, the newest pin, else the first finalist.

    Raises:
        StudyError: there is no such recipe, the suite cannot be read, or a picture cannot be made.
        EngineError: a model cannot be used.
        ScorerError: the panel cannot be opened, or a scorer failed.
        KeyboardInterrupt: Ctrl+C; the same again goes on.
    """
    suite = read_suite(spec.situations.suite, spec.situations.frame)
    subject = subject_of(spec, finalist=finalist, file=file)
    with measuring(spec, console, name="situations") as opened:
        return Examination(opened=opened, subject=subject, suite=suite).run(console)
