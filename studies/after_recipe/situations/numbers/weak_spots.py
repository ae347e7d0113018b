"""Weak spots: the situations in which a recipe falls behind every parent, in sentences for people, worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.errors import counted
from studies.after_recipe.situations.numbers.measured import RecipeLabels, SituationNumbers
from studies.after_recipe.situations.numbers.verdicts import is_broken, is_lost, is_too_alike
from studies.results.situations import (
    BROKEN,
    TOO_ALIKE,
    WORD_LOST,
    WORSE,
    WORSE_PICTURES,
    ShownPicture,
    SituationResult,
    WeakSpot,
)

if TYPE_CHECKING:
    from scorers.features import Slot
    from studies.after_recipe.situations.shots import SituationShot

SHOWN = 3
"""Pictures that show a weak spot at most."""
WORST_FIRST = (BROKEN, WORD_LOST, WORSE_PICTURES, TOO_ALIKE)
"""Kinds in the order in which weak spots are listed; one that is of several kinds counts as the first of them."""


def weak_spot_of(
    one: SituationResult, numbers: SituationNumbers, shots: Sequence[SituationShot], labels: RecipeLabels
) -> WeakSpot | None:
    """Return the weak spot that a situation is, or None.

    Args:
        one: the situation's result.
        numbers: what it was made from.
        shots: those that were drawn.
        labels: of the recipes.
    """
    subject, parents = labels.subject, labels.parents
    asked = {
        BROKEN: is_broken(numbers, subject, parents),
        WORD_LOST: is_lost(numbers, subject, parents),
        WORSE_PICTURES: one.verdict == WORSE,
        TOO_ALIKE: is_too_alike(numbers, subject, parents),
    }
    kinds = [kind for kind in WORST_FIRST if asked[kind]]
    if not kinds:
        return None
    sentences = [_SENTENCES[kind](one, numbers, labels) for kind in kinds]
    return WeakSpot(
        aspect=one.aspect,
        word=one.word,
        kind=kinds[0],
        sentence="; ".join(sentences),
        amount=_amount(kinds[0], numbers, labels),
        shown=_shown(kinds[0], numbers, shots),
    )


def sorted_weak_spots(found: Mapping[str, WeakSpot]) -> dict[str, WeakSpot]:
    """Return weak spots by the keys of their situations, worst first."""
    order = sorted(found, key=lambda key: (WORST_FIRST.index(found[key].kind), -found[key].amount))
    return {key: found[key] for key in order}


def _amount(kind: str, numbers: SituationNumbers, labels: RecipeLabels) -> float:
    """How bad a weak spot is, above 0."""
    subject, parents = labels.subject, labels.parents
    if kind == BROKEN:
        return numbers.broken[subject] / numbers.pictures
    if kind == WORD_LOST:
        return max(numbers.obeyed[one] for one in parents) - numbers.obeyed[subject]
    if kind == WORSE_PICTURES:
        return -max(numbers.leads[one].mean for one in parents)
    return 1 - numbers.spread[subject] / min(numbers.spread[one] for one in parents)


def _broken_sentence(one: SituationResult, numbers: SituationNumbers, labels: RecipeLabels) -> str:
    others = ", ".join(f"{label} {numbers.broken[label]}" for label in labels.parents)
    return f"{numbers.broken[labels.subject]} of {counted(one.pictures, 'picture')} are broken ({others})"


def _lost_sentence(one: SituationResult, numbers: SituationNumbers, labels: RecipeLabels) -> str:
    others = ", ".join(f"{label} {numbers.obeyed[label]:.0%}" for label in labels.parents)
    instead = f', most others "{numbers.instead}"' if numbers.instead else ""
    share = f"{numbers.obeyed[labels.subject]:.0%} of its pictures show it ({others})"
    return f'"{one.word}" is no longer obeyed: {share}{instead}'


def _worse_sentence(one: SituationResult, numbers: SituationNumbers, labels: RecipeLabels) -> str:
    leads = [(label, numbers.leads[label]) for label in labels.parents]
    others = " and ".join(f"{lead.mean:+.2f} from {label} [{lead.low:+.2f}, {lead.high:+.2f}]" for label, lead in leads)
    return f"worse than every parent at equal prompts and seeds: {others}"


def _alike_sentence(one: SituationResult, numbers: SituationNumbers, labels: RecipeLabels) -> str:
    share = numbers.spread[labels.subject] / min(numbers.spread[label] for label in labels.parents)
    return f"its pictures are too alike: they differ over seeds by {share:.0%} of what those of the parents do"


_SENTENCES: Mapping[str, Callable[[SituationResult, SituationNumbers, RecipeLabels], str]] = {
    BROKEN: _broken_sentence,
    WORD_LOST: _lost_sentence,
    WORSE_PICTURES: _worse_sentence,
    TOO_ALIKE: _alike_sentence,
}


def _shown(kind: str, numbers: SituationNumbers, shots: Sequence[SituationShot]) -> tuple[ShownPicture, ...]:
    """The pictures that show it best, worst first."""
    slots: list[Slot] = [(one.shot.prompt, one.shot.seed) for one in shots]
    badness: dict[Slot, float] = {}
    if kind == WORD_LOST:
        badness = {slot: match.margin for slot, match in numbers.match_by_slot.items()}
    elif kind == WORSE_PICTURES:
        badness = dict(numbers.lead_by_slot)
    slots.sort(key=lambda slot: badness.get(slot, math.inf))
    return tuple(ShownPicture(prompt=prompt, seed=seed) for prompt, seed in slots[:SHOWN])
