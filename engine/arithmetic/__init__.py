"""Arithmetic with the same bits on every processor: rounding, sums of products, elementary functions, random draws."""
