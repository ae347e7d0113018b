"""The difference to A as a LoRA: the names of its layers, their factors, its metadata."""
