"""From the numbers of situations to the result that is kept: words for people, weak spots, overall numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import counted
from studies.after_recipe.situations.numbers.measured import AVERAGE, RecipeLabels, SituationNumbers
from studies.after_recipe.situations.numbers.statistics import CONFIDENCE, MeanEstimate, mean_over
from studies.after_recipe.situations.numbers.verdicts import CLEARLY_SMALLER, is_lost, is_too_alike, verdict_of
from studies.after_recipe.situations.numbers.weak_spots import sorted_weak_spots, weak_spot_of
from studies.results.situations import (
    ExaminedRecipe,
    RivalDifference,
    SeedDiversity,
    SituationResult,
    SituationsResult,
    WordFidelity,
)

if TYPE_CHECKING:
    from studies.after_recipe.measuring.subject import Subject
    from studies.after_recipe.situations.shots import SituationShot
    from studies.after_recipe.situations.suite import Situation, Suite
    from studies.studyfile.spec import StudySpec

SMALLEST_SPREAD = 1e-6
"""What a spread over seeds counts for at least where its logarithm is taken: equal pictures have none."""


def assembled(
    spec: StudySpec,
    suite: Suite,
    shots: Mapping[str, Sequence[SituationShot]],
    recipes: Mapping[str, Subject],
    labels: RecipeLabels,
    numbers: Mapping[str, SituationNumbers],
) -> SituationsResult:
    """Return the result of an examination, still without pictures.

    Args:
        spec: the study.
        suite: what was drawn.
        shots: all that might have been drawn, by situation.
        recipes: all that were drawn, by label.
        labels: their parts.
        numbers: by situation; those of the look after which it had no more pictures.
    """
    situations = {one.key: _situation(one, numbers[one.key], shots[one.key], labels) for one in suite.situations}
    weak = {key: weak_spot_of(one, numbers[key], shots[key][: one.pictures], labels) for key, one in situations.items()}
    diversity = _diversity([*numbers.values()], labels)
    scores_words = any(one.fidelity for one in situations.values())
    return SituationsResult(
        study=spec.storage.name,
        subject=_examined(recipes[labels.subject]),
        rivals=tuple(_examined(recipes[label]) for label in labels.rivals),
        parents=labels.parents,
        suite=suite.name,
        suite_key=suite.key_from(spec.storage.file.parent),
        situations=tuple(situations.values()),
        weak_spots=tuple(sorted_weak_spots({key: one for key, one in weak.items() if one}).values()),
        overall=_overall([*numbers.values()], labels),
        diversity=diversity,
        confidence=CONFIDENCE,
        comparisons=len(situations) * len(labels.rivals),
        pictures=len(recipes) * sum(one.pictures for one in situations.values()),
        most_pictures=len(recipes) * sum(len(one) for one in shots.values()),
        remarks=(
            *_broken_remarks([*numbers.values()], labels),
            *_alike_remarks(diversity, labels),
            *_words_remarks(scores_words),
        ),
    )


def _examined(one: Subject) -> ExaminedRecipe:
    text = "" if one.models else one.candidate.recipe.text
    return ExaminedRecipe(label=one.label, key=one.key, recipe=text, vae=one.candidate.vae)


def _situation(
    one: Situation, numbers: SituationNumbers, shots: Sequence[SituationShot], labels: RecipeLabels
) -> SituationResult:
    average = numbers.from_average
    return SituationResult(
        aspect=one.aspect,
        word=one.word,
        prompt=shots[0].shot.prompt,
        pictures=numbers.pictures,
        verdict=verdict_of(numbers, labels.parents),
        differences=_differences(numbers.leads),
        from_average=None if average is None else _difference(AVERAGE, average),
        fidelity=_fidelity(one, numbers, labels),
        diversity=_spread(numbers, labels),
        broken={label: count for label, count in numbers.broken.items() if count},
    )


def _differences(found: Mapping[str, MeanEstimate]) -> tuple[RivalDifference, ...]:
    return tuple(_difference(rival, one) for rival, one in found.items())


def _difference(rival: str, one: MeanEstimate) -> RivalDifference:
    return RivalDifference(rival=rival, mean=one.mean, low=one.low, high=one.high, pictures=one.pictures)


def _fidelity(one: Situation, numbers: SituationNumbers, labels: RecipeLabels) -> WordFidelity | None:
    if labels.subject not in numbers.obeyed:
        return None
    return WordFidelity(
        obeyed=numbers.obeyed[labels.subject],
        rivals={label: numbers.obeyed[label] for label in labels.rivals if label in numbers.obeyed},
        differences=_differences(numbers.margins),
        words=1 + len(one.alternatives),
        lost=is_lost(numbers, labels.subject, labels.parents),
        instead=numbers.instead,
    )


def _spread(numbers: SituationNumbers, labels: RecipeLabels) -> SeedDiversity | None:
    if not numbers.spread:
        return None
    return SeedDiversity(
        spread=numbers.spread[labels.subject],
        rivals={label: numbers.spread[label] for label in labels.rivals},
        differences=_differences(numbers.spreads),
        too_alike=is_too_alike(numbers, labels.subject, labels.parents),
    )


def _overall(numbers: Sequence[SituationNumbers], labels: RecipeLabels) -> tuple[RivalDifference, ...]:
    """Mean leads over situations, each of which counts as much, whatever the number of its pictures."""
    known = {rival: [one.leads[rival] for one in numbers if rival in one.leads] for rival in labels.rivals}
    return tuple(
        _over_situations(rival, [lead.mean for lead in leads], sum(lead.pictures for lead in leads))
        for rival, leads in known.items()
        if len(leads) > 1
    )


def _diversity(numbers: Sequence[SituationNumbers], labels: RecipeLabels) -> tuple[RivalDifference, ...]:
    """Means over situations of the logarithm of the ratio of spreads."""
    known = [one for one in numbers if one.spread]
    if len(known) < 2:
        return ()
    pictures = sum(one.pictures for one in known)
    ratios = {
        rival: [_log_spread(one, labels.subject) - _log_spread(one, rival) for one in known] for rival in labels.rivals
    }
    return tuple(_over_situations(rival, values, pictures) for rival, values in ratios.items())


def _log_spread(numbers: SituationNumbers, label: str) -> float:
    return math.log(max(numbers.spread[label], SMALLEST_SPREAD))


def _over_situations(rival: str, values: Sequence[float], pictures: int) -> RivalDifference:
    mean, low, high = mean_over(values, CONFIDENCE)
    return RivalDifference(rival=rival, mean=mean, low=low, high=high, pictures=pictures)


def _broken_remarks(numbers: Sequence[SituationNumbers], labels: RecipeLabels) -> tuple[str, ...]:
    broken = {label: int(np.sum([one.broken.get(label, 0) for one in numbers])) for label in labels.every}
    if not broken[labels.subject]:
        return ()
    others = ", ".join(f"{label} {broken[label]}" for label in labels.rivals)
    return (
        f"{counted(broken[labels.subject], 'picture')} of the recipe broken ({others}), and left out of comparisons.",
    )


def _alike_remarks(diversity: Sequence[RivalDifference], labels: RecipeLabels) -> tuple[str, ...]:
    """That seeds differ less than with every parent, over all situations."""
    own = [one for one in diversity if one.rival in labels.parents]
    if not own or any(one.high >= 0 or one.mean > math.log(CLEARLY_SMALLER) for one in own):
        return ()
    shares = ", ".join(f"{math.exp(one.mean):.0%} of {one.rival}'s" for one in own)
    return (f"Its pictures of one situation are alike over seeds: their spread is {shares}.",)


def _words_remarks(scores_words: bool) -> tuple[str, ...]:
    if scores_words:
        return ()
    return ("Whether words are obeyed was not measured: it takes a scorer that compares pictures with prompts, clip.",)
