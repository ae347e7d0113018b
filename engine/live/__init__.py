"""The live model: the merged weights in place, their parents close by or in their files."""
