"""SuperMerger's own texts, in and out: weights, history, metadata, plots, instructions, dialects. Free of torch."""
