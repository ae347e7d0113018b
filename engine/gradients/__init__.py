"""Derivatives of pictures, or of the denoising loss, by every number of a recipe."""
