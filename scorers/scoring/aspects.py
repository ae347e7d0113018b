"""What a scorer is about: the look, the prompt, beauty, flaws; what is floored, and what the Pareto view weighs up."""

from __future__ import annotations

from scorers.base import Scorer
from scorers.catalogue import lookup as catalogue

STYLE, FIDELITY, AESTHETICS, ARTIFACTS = "style", "fidelity", "aesthetics", "artifacts"
PARETO: tuple[str, ...] = (STYLE, FIDELITY, AESTHETICS)
"""What a person weighs up in the end; more is better in each."""
FLOORED: tuple[str, ...] = (FIDELITY, AESTHETICS, ARTIFACTS)
"""What may not be traded away: below the worse parent by more than one unit, it costs."""
ROOM = 1.0
"""How far below the worse parent a floor lies, in the scorer's unit."""


def aspect_of(scorer: Scorer) -> str:
    """The aspect of a scorer: its own word ``aspect``, or what the catalogue says of its name, or "" for none."""
    name = scorer.name.partition("@")[0]
    known = catalogue.scorer_named(name)
    return str(getattr(scorer, "aspect", known.aspect if known else ""))
