"""From pictures to features: embeddings, statistics, hashes, broken pictures."""
