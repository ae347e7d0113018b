"""What a LoRA file consists of: the names of its layers, their factors, its metadata."""
