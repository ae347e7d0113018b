"""Whether a picture shows its word: it matches its prompt better than the same prompt with another word in its place.

The margin of a picture is ``c(w) - max c(v)`` over the other words ``v`` of the list, where ``c(v)`` is the cosine, in
the panel's encoder of prompts, between the picture and its prompt with ``v`` in the word's place. Above 0 the word is
the encoder's choice among all of them: the zero-shot classification of CLIP (Radford et al. 2021, "Learning
transferable visual models from natural language supervision", section 3.1). So what a prompt says besides its word
cancels out, and the margin says nothing of quality or style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scorers.features import Features, Slot
    from scorers.panel.panel import Panel
    from scorers.scoring.prompt_match import Fidelity
    from studies.after_recipe.situations.shots import SituationShot

PLAIN = "clip"
"""Name of the scorer that is taken where several compare pictures with prompts: those of preferences come after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordMatch:
    """How one picture matches its word."""

    margin: float
    """Over the best of the other words, in cosines."""
    best: str
    """The word that it matches best."""

    @property
    def is_obeyed(self) -> bool:
        """Whether the word is the best one."""
        return self.margin > 0


def prompt_scorer(panel: Panel) -> Fidelity | None:
    """Return the panel's scorer that compares pictures with prompts, or None where it has none."""
    from scorers.scoring.prompt_match import Fidelity

    found = [scorer for scorer in panel.scorers if isinstance(scorer, Fidelity)]
    return min(found, key=lambda scorer: scorer.name != PLAIN, default=None)


def word_matches(scorer: Fidelity, features: Features, shots: Sequence[SituationShot]) -> dict[Slot, WordMatch]:
    """Return how the whole pictures of a situation match its word, by prompt and seed.

    Args:
        scorer: compares pictures with prompts.
        features: of pictures of these shots, in their order.
        shots: of the situation; alternatives that come out as the same prompt are left out.

    Returns:
        Nothing where the word has no alternatives.
    """
    words = tuple(shots[0].prompts)
    if len(words) < 2 or not len(features.intact):
        return {}
    rows = [int(row) for row in features.intact]
    prompts = [tuple(shots[row].prompts.values()) for row in rows]
    cosines = scorer.cosines(features.take(rows), prompts)
    same = np.array([[prompt == own for prompt in (own, *others)] for own, *others in prompts])
    cosines[:, 1:][same[:, 1:]] = -np.inf
    best_others = cosines[:, 1:].max(1)
    found: dict[Slot, WordMatch] = {}
    for row, own, other, place in zip(rows, cosines[:, 0], best_others, cosines.argmax(1), strict=True):
        if np.isfinite(other) and np.isfinite(own):
            found[features.slots[row]] = WordMatch(margin=float(own - other), best=words[int(place)])
    return found
