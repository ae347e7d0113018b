"""Known encoders and scorers, their published files, and where those are on disk. Without torch."""
