"""Pictures in, numbers out: how close a recipe's pictures come to the wanted look."""
