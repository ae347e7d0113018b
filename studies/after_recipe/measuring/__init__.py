"""Measuring recipes of a study outside its search: its models, its shots, its calibrated panel, its kept pictures."""
