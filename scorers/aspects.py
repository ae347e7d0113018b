"""What a scorer is about: the look, the prompt, beauty, flaws; what is floored, and what the Pareto view weighs up."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scorers.base import Scorer

STYLE, FIDELITY, AESTHETICS, ARTIFACTS = "style", "fidelity", "aesthetics", "artifacts"
PARETO: tuple[str, ...] = (STYLE, FIDELITY, AESTHETICS)
"""What a person weighs up in the end; more is better in each."""
FLOORED: tuple[str, ...] = (FIDELITY, AESTHETICS, ARTIFACTS)
"""What may not be traded away: below the worse parent by more than one unit, it costs."""
ROOM = 1.0
"""How far below the worse parent a floor lies, in the scorer's unit."""

_BEAUTY = ("laion", "laion-relu", "chad", "laion-v1", "aestheticv25", "rating", "wdaes", "hpsv2", "hpsv21", "pick")
_KNOWN: Mapping[str, str] = MappingProxyType(
    {"style": STYLE, "text": STYLE, "margin": STYLE, "clip": FIDELITY, "artifacts": ARTIFACTS}
    | dict.fromkeys(_BEAUTY, AESTHETICS)
)


def aspect_of(scorer: Scorer) -> str:
    """The aspect of a scorer: its own word ``aspect``, or what is known of its name, or "" for none of these."""
    name, _, _ = scorer.name.partition("@")  # what follows names an encoder
    return str(getattr(scorer, "aspect", _KNOWN.get(name, "")))
