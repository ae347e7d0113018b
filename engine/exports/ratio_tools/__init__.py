"""Tools that take ratios, one for a tensor, a block or all: how each shares them out, and what it cannot hold."""
