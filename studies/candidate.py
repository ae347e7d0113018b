"""What a trial tries: a recipe, and the VAE that decodes its pictures where a study chooses among several."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from engine.recipes.recipe import Recipe

MERGED_VAE = "merged"
"""The word, among VAE files to choose from, for the one that the merge makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipe and how its pictures are decoded."""

    recipe: Recipe
    vae: str = ""
    """One of the study's words for VAEs; "" where it chooses among none."""

    @property
    def key(self) -> str:
        """64 hex digits: the recipe's key, unless a VAE was chosen beside it."""
        return (
            hashlib.sha256(f"{self.recipe.key}\nvae {self.vae}".encode()).hexdigest() if self.vae else self.recipe.key
        )

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of a trial's record that hold it."""
        return {"recipe": self.recipe.text, "recipe_key": self.recipe.key} | ({"vae": self.vae} if self.vae else {})

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Self:
        """Read it from a trial's record; KeyError where the record has none."""
        return cls(recipe=Recipe.parse(attributes["recipe"]), vae=attributes.get("vae", ""))
