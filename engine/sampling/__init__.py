"""Noise schedules, samplers and random streams, as functions of a denoiser."""
