"""The search space: knobs, bounds, groups, and points translated into recipes and back."""
