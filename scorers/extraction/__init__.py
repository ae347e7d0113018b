"""From pictures to features: statistics, hashes, broken pictures."""
