"""What to merge: recipes as frozen values, their steps, their TOML, and the words of SuperMerger's dialects.

Free of torch.
"""
