"""The style term: which scorers share the weight that a person gives to ``style``, and which are only reported.

With references alone the style score has all of it. Words as well (``like``) take ``TEXT_SHARE``. With fewer than
``FEWEST_REFERENCES`` pictures, which do not tell a look from their subjects, the margin to them takes the place of the
style score and words take ``TEXT_SHARE_FEW``: on renders of the sample world the rank correlation with the ratio of the
parent that words and 1 to 3 references show is .2 to .6 for the margin alone, .7 to .9 with half, .92 to .99 with .7.
Whoever gives ``text`` or ``margin`` a weight has it so.
"""

from __future__ import annotations

from collections.abc import Mapping

FEWEST_REFERENCES = 4
"""With fewer pictures the style score has nothing to learn a look from."""
TEXT_SHARE = 0.3
TEXT_SHARE_FEW = 0.7


def style_term(weights: Mapping[str, float], references: int, *, words: bool) -> dict[str, float]:
    """All scorers of a panel with their weights, those that are only reported with 0.

    Args:
        weights: as a person gives them.
        references: how many there are.
        words: whether the look is named in words too.
    """
    whole = weights.get("style")
    if whole is None:
        return dict(weights)
    few = references < FEWEST_REFERENCES
    others = {name: weight for name, weight in weights.items() if name != "style"}
    image, reported = ("margin", ()) if few else ("style", ("lda", "margin"))
    share = (TEXT_SHARE_FEW if few else TEXT_SHARE) if words and "text" not in weights else 0.0
    term = {image: whole * (1 - share)} | ({"text": whole * share} if words else {})
    return term | others | {name: 0.0 for name in reported if name not in others}
