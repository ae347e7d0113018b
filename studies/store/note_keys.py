"""Keys of a study's notes that light modules read too, those that load neither Optuna nor torch."""

from __future__ import annotations

INPUTS = "inputs"
"""Hashes and texts of everything that scores depend on, by name."""
NIGHT = "night"
"""What the newest night is to come to: its deadline and limits, and the trials that it plans."""
NOISE = "noise"
"""The noise that calibration measured."""
PROVED = "proved"
"""When the last proof was made, and after how many trials."""
PROVING = "proving"
"""When the last proof was begun, and after how many trials."""
SEARCHED = "searched"
"""What proposals depend on beside the inputs: an entry for every night that began with others than the one before."""
WHOLE = "whole"
"""That a rescored study holds all its trials."""
