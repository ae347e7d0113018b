"""What a panel is made of, and the mistakes that can be made there."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scorers.encoders import EncoderFiles
from scorers.errors import ScorerError, ScorerWarning
from scorers.registry import BUILT_IN
from scorers.style_term import FEWEST_REFERENCES, style_term
from scorers.text_axis import NEUTRAL

FEW_REFERENCES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSettings:
    """What a panel is made of.

    Attributes:
        encoders: files of the encoders, by name.
        main: name of the encoder for style and prompts.
        references: pictures of the wanted look; 4 at least, or 1 where ``like`` is given; 16 to 64 of diverse subjects
            are good.
        like: the wanted look in words, or "".
        unlike: what it shall be told from, in words.
        weights: scorer to weight, at least 0; a scorer of weight 0 is reported only.
        keep: scorers that stay on even if their noise hides what the calibration recipes differ by.
        render_size: short side of the renders in pixels, when it may be less than the references'.
    """

    encoders: Mapping[str, EncoderFiles]
    main: str = "clip"
    references: tuple[Path, ...]
    like: str = ""
    unlike: str = NEUTRAL
    weights: Mapping[str, float] = field(default_factory=lambda: {"style": 1.0, "clip": 0.2, "stats": 0.3})
    keep: frozenset[str] = frozenset()
    render_size: int | None = None

    @property
    def shared_weights(self) -> dict[str, float]:
        """Weights of all scorers, the style term shared out; see ``scorers.style_term``."""
        return style_term(self.weights, len(self.references), words=bool(self.like))


def check_settings(settings: PanelSettings, extra: Sequence[str]) -> None:
    """Refuse settings that cannot work, all reasons at once; ``extra`` names scorers beyond the built-in ones.

    Raises:
        ScorerError: unknown scorers, weights that are negative or all 0, fewer than ``FEWEST_REFERENCES``.
    """
    known = [*BUILT_IN, *extra]
    wrong = [f"no scorer {name!r}; there are {', '.join(known)}" for name in settings.weights if name not in known]
    wrong += [f"scorer {name!r} is to be kept, but has no weight" for name in settings.keep - set(settings.weights)]
    wrong += [f"scorer {name!r} has no weight" for name in extra if name not in settings.weights]
    bad = {name: weight for name, weight in settings.weights.items() if not (math.isfinite(weight) and weight >= 0)}
    wrong += [f"weight of {name!r} is {weight}; it must be 0 or more" for name, weight in bad.items()]
    if not bad and sum(settings.weights.values()) <= 0:
        wrong.append("no scorer has a weight above 0")
    if settings.main not in settings.encoders:
        wrong.append(f"no encoder {settings.main!r}; there are {', '.join(settings.encoders) or 'none'}")
    count = len(settings.references)
    if count < FEWEST_REFERENCES and not (count and settings.like):
        wrong.append(
            f"{count} reference pictures; {FEWEST_REFERENCES} at least are needed, 16 to 64 are good; or 1 and the "
            "look in words (like)"
        )
    if settings.weights.get("text") and not settings.like:
        wrong.append("scorer 'text' has a weight but no words; give like, the wanted look in words")
    if wrong:
        raise ScorerError("the panel's settings cannot be used:\n  " + "\n  ".join(wrong))
    if count < FEW_REFERENCES:
        warnings.warn(
            f"only {count} references; with fewer than {FEW_REFERENCES} the target is vague", ScorerWarning, 3
        )
