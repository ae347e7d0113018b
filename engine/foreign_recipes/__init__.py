"""Recipes that other tools write, read into recipes of a dialect: headers, node graphs, model cards, YAML."""
