"""Merge recipes into weights, and render pictures with them, on one device.

What a notebook needs can be imported from here. Every name is loaded when it is first asked for, so that recipes and
shots do not wait for torch.

* ``Engine`` opens the parents, builds recipes and renders shots.
* ``Recipe`` and its steps ``MergeStep``, ``SelfStep`` (factors by ``Site``) and ``AdjustStep`` say what to merge.
* ``read_recipe_file`` returns a ``RecipeFile``: a recipe, and the paths of its models.
* ``Shot`` is what to draw, ``Hires`` its second pass.
* ``write_checkpoint`` merges a recipe into a file; ``Output`` says in which form.
* ``EngineError`` is the root of all errors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "AdjustStep",
    "Engine",
    "EngineError",
    "Hires",
    "MergeStep",
    "Output",
    "Recipe",
    "RecipeFile",
    "SelfStep",
    "Shot",
    "Site",
    "read_recipe_file",
    "write_checkpoint",
]

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.errors import EngineError
    from engine.merging.output import Output
    from engine.merging.write import write_checkpoint
    from engine.recipes.blocks import Site
    from engine.recipes.file import RecipeFile, read_recipe_file
    from engine.recipes.recipe import Recipe
    from engine.recipes.steps import AdjustStep, MergeStep, SelfStep
    from engine.shots.hires import Hires
    from engine.shots.shot import Shot
else:  # type checkers do not see this, so that a misspelt name stays an error for them
    _MODULES = {
        "AdjustStep": "engine.recipes.steps",
        "Engine": "engine.engine",
        "EngineError": "engine.errors",
        "Hires": "engine.shots.hires",
        "MergeStep": "engine.recipes.steps",
        "Output": "engine.merging.output",
        "Recipe": "engine.recipes.recipe",
        "RecipeFile": "engine.recipes.file",
        "SelfStep": "engine.recipes.steps",
        "Shot": "engine.shots.shot",
        "Site": "engine.recipes.blocks",
        "read_recipe_file": "engine.recipes.file",
        "write_checkpoint": "engine.merging.write",
    }

    def __getattr__(name: str) -> object:
        """Import a name from its module when it is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
