"""The live model: parents resident in memory, the merged weights in place."""
