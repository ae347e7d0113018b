"""Known encoders and scorers, their published files, and where these are found. Free of torch."""
