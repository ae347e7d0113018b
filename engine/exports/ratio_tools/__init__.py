"""How tools that take ratios share them out, and the ratios that come nearest to a recipe."""
