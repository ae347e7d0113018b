"""Measure how close a recipe's pictures come to the reference pictures.

What a notebook needs can be imported from here. Every name is loaded when it is first asked for. Nothing here knows
models, recipes or study files.

* ``Panel`` judges recipes by their pictures. ``PanelSettings`` say what it is made of; ``EncoderFiles`` name an encoder
  of your own.
* ``Features`` are what is kept of a recipe's pictures; ``load_pictures`` reads picture files.
* ``Verdict`` is what the panel says of a recipe.
* ``Scorer`` and ``ImageScorer`` are the two forms of a scorer of your own; a ``Calibration`` is what it learns from.
* ``ScorerError`` and ``ScorerWarning`` are what can go wrong.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Calibration",
    "EncoderFiles",
    "Features",
    "ImageScorer",
    "Panel",
    "PanelSettings",
    "Scorer",
    "ScorerError",
    "ScorerWarning",
    "Verdict",
    "load_pictures",
]

if TYPE_CHECKING:
    from scorers.base import Calibration, ImageScorer, Scorer
    from scorers.catalogue.sources import EncoderFiles
    from scorers.encoders.preprocess import load_pictures
    from scorers.errors import ScorerError, ScorerWarning
    from scorers.features import Features
    from scorers.panel.panel import Panel
    from scorers.panel.settings import PanelSettings
    from scorers.panel.verdict import Verdict
else:  # type checkers do not see this, so that a misspelt name stays an error for them
    _MODULES = {
        "Calibration": "scorers.base",
        "EncoderFiles": "scorers.catalogue.sources",
        "Features": "scorers.features",
        "ImageScorer": "scorers.base",
        "Panel": "scorers.panel.panel",
        "PanelSettings": "scorers.panel.settings",
        "Scorer": "scorers.base",
        "ScorerError": "scorers.errors",
        "ScorerWarning": "scorers.errors",
        "Verdict": "scorers.panel.verdict",
        "load_pictures": "scorers.encoders.preprocess",
    }

    def __getattr__(name: str) -> object:
        """Import a name from its module when it is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
