"""Situations: what a recipe draws of subjects, light, places and other things that the search did not show it."""
