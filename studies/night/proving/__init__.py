"""The proof at the end of a night: finalists and what they are compared with, on held-out pictures."""
