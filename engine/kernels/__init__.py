"""Weighted sums in one pass: a C function compiled where a compiler is at hand, and a Triton kernel for GPUs."""
