"""Files that a study's numbers depend on, and their hashes."""
