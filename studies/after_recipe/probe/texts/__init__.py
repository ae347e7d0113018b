"""A probe in words: its strongest effects, and the pair's answers to what people say of blocks."""
