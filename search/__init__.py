"""Propose what to merge next, given what earlier merges were worth; no pictures and no tensors are needed.

What a notebook needs can be imported from here. Every name is loaded when it is first asked for. README.md beside this
file has an example that runs.

* ``build_space`` returns a ``Space`` of knobs; ``RecipeFrame`` is what all its recipes have in common.
* ``SearchPlan`` says how many trials each stage has, and with which ``InitialRecipe`` values it begins.
* ``Suggester`` says what to try next: a ``Proposal``. ``TrialRecord`` is what it needs to know of a trial.
* ``ShotRotation`` says which shots the trials of a stage draw, where each draws only some.
* ``choose`` returns the finalists of a search.
* ``SearchError`` is what can go wrong.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "InitialRecipe",
    "Proposal",
    "RecipeFrame",
    "SearchError",
    "SearchPlan",
    "ShotRotation",
    "Space",
    "Suggester",
    "TrialRecord",
    "build_space",
    "choose",
]

if TYPE_CHECKING:
    from search.errors import SearchError
    from search.finalists import choose
    from search.history import TrialRecord
    from search.plan import InitialRecipe, SearchPlan
    from search.shots import ShotRotation
    from search.space.build import build_space
    from search.space.frame import RecipeFrame
    from search.space.space import Space
    from search.suggester import Proposal, Suggester
else:  # type checkers do not see this, so that a misspelt name stays an error for them
    _MODULES = {
        "InitialRecipe": "search.plan",
        "Proposal": "search.suggester",
        "RecipeFrame": "search.space.frame",
        "SearchError": "search.errors",
        "SearchPlan": "search.plan",
        "ShotRotation": "search.shots",
        "Space": "search.space.space",
        "Suggester": "search.suggester",
        "TrialRecord": "search.history",
        "build_space": "search.space.build",
        "choose": "search.finalists",
    }

    def __getattr__(name: str) -> object:
        """Import a name from its module when it is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
