"""What was measured of a recipe after its search, as values and files; without torch, for all who show it."""
