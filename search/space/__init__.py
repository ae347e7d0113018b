"""The search space: knobs, bounds, groups, and the way from a point to a recipe and back."""
