"""What a scorer is about: style, prompt, aesthetics, artifacts; which aspects have a floor, which a Pareto front."""

from __future__ import annotations

from scorers.base import Scorer
from scorers.catalogue import lookup as catalogue

STYLE, FIDELITY, AESTHETICS, ARTIFACTS = "style", "fidelity", "aesthetics", "artifacts"
"""The aspects' names: in the catalogue, in a plug-in's ``aspect``, and in records."""
PARETO: tuple[str, ...] = (STYLE, FIDELITY, AESTHETICS)
"""The aspects that ``show --pareto`` compares trials by; more is better in each."""
FLOORED: tuple[str, ...] = (FIDELITY, AESTHETICS, ARTIFACTS)
"""The aspects that may not be traded away: scores of more than ``ROOM`` below the worse parent are penalised."""
ROOM = 1.0
"""How far below the worse parent a floor lies, in the scorer's unit."""


def aspect_of(scorer: Scorer) -> str:
    """A scorer's aspect: its attribute ``aspect``, else the catalogue's for its name; "" for none."""
    name = scorer.name.partition("@")[0]
    known = catalogue.scorer_named(name)
    return str(getattr(scorer, "aspect", known.aspect if known else ""))
