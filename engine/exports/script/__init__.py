"""A script that rebuilds a checkpoint: tables of its recipe, and functions copied from ``parts``."""
