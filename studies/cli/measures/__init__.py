"""The commands that measure a recipe, or a pair of checkpoints, outside the search."""
