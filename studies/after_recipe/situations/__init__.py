"""A recipe, its parents and the best FLAT mix in many situations: where the recipe is weak."""
