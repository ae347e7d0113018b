"""A model folder for diffusers: weights, configurations, tokenizers, a model card."""
