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

_AESTHETIC = (
    *("laion", "laion-v2", "sac", "chad", "laion-relu", "laion-v1", "aestheticv25", "aesthetic-v2-5", "v2.5", "rating"),
    *("wdaes", "waifu", "wd-aesthetic", "hpsv2", "hpsv21", "hpsv2.1", "pick", "pickscore"),
)
_KNOWN: Mapping[str, str] = MappingProxyType(
    {"style": STYLE, "text": STYLE, "clip": FIDELITY, "clipscore": FIDELITY, "artifacts": ARTIFACTS}
    | dict.fromkeys(_AESTHETIC, AESTHETICS)
)


def aspect_of(scorer: Scorer) -> str:
    """The aspect of a scorer: its own word ``aspect``, or what is known of its name, or "" for none of these.

    What follows an ``@`` in a name is the encoder that the scorer looks through.
    """
    return str(getattr(scorer, "aspect", _KNOWN.get(scorer.name.partition("@")[0], "")))
