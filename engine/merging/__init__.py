"""From a recipe to tensors: exactly as SuperMerger rounds, or folded into one pass; and to a file."""
