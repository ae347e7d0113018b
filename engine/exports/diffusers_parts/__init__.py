"""What a model folder for diffusers consists of: weights, configurations, tokenizers, a model card."""
