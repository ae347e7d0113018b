"""Noise schedules, samplers, which are functions of a denoiser, and random number generators."""
