"""The sample world: tiny real checkpoints, a tiny CLIP and reference pictures, and what made them."""
