"""The shots of situations: the same prompts and seeds for every recipe, so that recipes differ by nothing else.

A shot of a situation has the study's settings of `[render]`. Its prompt is the situation's frame with the choices and
wildcards drawn, and the word in it. What is drawn depends on the study's seed, the shot's seed and the frame: not on
the recipe, and not on the word. So at one seed all situations of an aspect have the same prompt but for their word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path

from engine.shots.shot import Shot
from studies.after_recipe.situations.frames import SLOT
from studies.after_recipe.situations.suite import Situation, Suite
from studies.studyfile.spec import TURNS, StudyShots, StudySpec, seed_in_turn
from studies.studyfile.wildcards import expanded

FIRST_SEED = 9_000_001
"""Where the seeds of situations begin: far from those that people write, and from those that come again in turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationShot:
    """One picture of a situation."""

    shot: Shot
    prompts: Mapping[str, str]
    """The prompt with each line of the list in the word's place, by line: the situation's own first, which is the
    shot's prompt, then its alternatives in their order. What one picture's words can be told apart by; prompts may be
    equal where lines hold choices that come out alike."""


def situation_seeds(shots: StudyShots, number: int) -> tuple[int, ...]:
    """Return seeds for situations that no trial and no proof has; the first ones do not depend on their number.

    Args:
        shots: the study's.
        number: how many.
    """
    taken = {seed_in_turn(shot.seed, turn) for shot in shots.every for turn in range(TURNS)}
    return tuple(islice((seed for seed in count(FIRST_SEED) if seed not in taken), number))


def situation_shots(
    situation: Situation, suite: Suite, spec: StudySpec, seeds: Sequence[int]
) -> tuple[SituationShot, ...]:
    """Return the shots of one situation, one a seed and in the order of the seeds.

    Args:
        situation: one of the suite's.
        suite: its lists fill wildcards in.
        spec: the study; its settings of `[render]` and its seed are used. Of several negatives, which prompts of their
            own may have, the one that most trials' pictures have is taken; so is the text of hires fix.
        seeds: all different, from `situation_seeds`. A seed's shot does not depend on the other seeds.

    Raises:
        StudyError: a list has become unreadable since the suite was read.
        ValueError: a seed comes twice.
    """
    return _shots_of(situation, _Drawing(suite.folder, spec.search.seed), usual_shot(spec.shots), seeds)


def suite_shots(suite: Suite, spec: StudySpec, seeds: Sequence[int]) -> dict[str, tuple[SituationShot, ...]]:
    """Return the shots of all situations, by their keys and in the suite's order; see `situation_shots`."""
    drawing, usual = _Drawing(suite.folder, spec.search.seed), usual_shot(spec.shots)
    return {one.key: _shots_of(one, drawing, usual, seeds) for one in suite.situations}


def usual_shot(shots: StudyShots) -> Shot:
    """Return a shot with the settings of `[render]`, and the negative and the hires texts that most trials have."""
    settings = [replace(shot, prompt="", seed=0) for shot in shots.trials]
    return Counter(settings).most_common(1)[0][0]


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Draws the choices of texts, each text once for a seed."""

    folder: Path
    study_seed: int
    drawn: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])

    def text(self, text: str, seed: int) -> str:
        if (text, seed) not in self.drawn:
            made = expanded(text, folder=self.folder, seed=self.study_seed, shot_seed=seed)
            self.drawn[text, seed] = made
        return self.drawn[text, seed]


def _shots_of(situation: Situation, drawing: _Drawing, usual: Shot, seeds: Sequence[int]) -> tuple[SituationShot, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds of a situation come once, not {list(seeds)}")
    return tuple(_each_shot(situation, drawing, usual, seeds))


def _each_shot(situation: Situation, drawing: _Drawing, usual: Shot, seeds: Sequence[int]) -> Iterator[SituationShot]:
    for seed in seeds:
        frame = drawing.text(situation.frame, seed)
        words = (situation.word, *situation.alternatives)
        prompts = {word: frame.replace(SLOT, drawing.text(word, seed)) for word in words}
        yield SituationShot(shot=replace(usual, prompt=prompts[situation.word], seed=seed), prompts=prompts)
