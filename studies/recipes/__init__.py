"""Recipes on the command line: read from anywhere, written as anything, shown, compared."""
