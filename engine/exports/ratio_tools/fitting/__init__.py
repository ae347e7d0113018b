"""How near a tool that takes ratios comes to a recipe: the ratios that fit best, and what stays apart."""
