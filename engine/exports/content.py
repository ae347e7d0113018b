"""What is exported: a recipe, its models, and the rows that every target writes in a form of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import RecipeError
from engine.merging.folded import MergePlan, plan_for
from engine.modes.rows import TensorRow
from engine.recipes.recipe import Recipe

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class ExportContent:
    """A recipe and what is known of its models.

    Attributes:
        recipe: what to merge.
        title: the name of the result, for texts and names of files.
        models: paths by name; targets that write texts do without.
        names: file names by name, where they are known.
        hashes: SHA-256 by name, 64 hex digits, where they are known.
        facts: further facts for metadata, such as who approved it; anything that JSON can hold.
    """

    recipe: Recipe
    title: str
    models: Mapping[str, Path] = field(default_factory=dict[str, Path])
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def file_name(self, model: str) -> str:
        """Return the name of a model's file, with its ending; the model's name where no file is known."""
        return self.models[model].name if model in self.models else self.names.get(model, model)

    @cached_property
    def checkpoints(self) -> Mapping[str, Checkpoint]:
        """The models that the recipe takes, by name, opened.

        Raises:
            RecipeError: the path of one is not known.
            CheckpointError: one cannot be used, or is of another family than the recipe.
        """
        from engine.merging.write import open_parents

        if missing := [name for name in self.recipe.models if name not in self.models]:
            raise RecipeError(
                f"the files of the models are needed, and that of {', '.join(missing)} is not known",
                remedy="name each with --model NAME=PATH",
            )
        return open_parents(self.recipe, self.models)

    @cached_property
    def plan(self) -> MergePlan:
        """The folded rows, by the key of the result; see ``checkpoints`` and ``plan_for`` for what it raises."""
        return plan_for(self.recipe, {name: checkpoint.shapes for name, checkpoint in self.checkpoints.items()})

    @cached_property
    def changed(self) -> Mapping[str, TensorRow]:
        """The rows of the keys that the recipe makes: not those that are a copy of one model's tensor."""
        return {key: row for key, row in self.plan.rows.items() if row.source is None}

    @cached_property
    def nonlinear(self) -> tuple[str, ...]:
        """The keys that no weighted sum of models, with a shift, gives: calculation modes made them."""
        return tuple(key for key, row in self.plan.rows.items() if not all(isinstance(t, str) for t, _ in row.terms))

    def weights(self, key: str) -> dict[str, float]:
        """Return the weight of each model in a key that is linear; a model that is not in it has none.

        Raises:
            RecipeError: the key is not linear.
        """
        if key in self.nonlinear:
            raise RecipeError(f"{key} is no weighted sum")
        return {str(term): weight for term, weight in self.plan.rows[key].terms}
