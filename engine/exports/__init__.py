"""A recipe in the forms that other tools read: one module a target, over the folded rows of the recipe."""
