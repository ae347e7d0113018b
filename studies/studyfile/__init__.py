"""The study file: its schema, its mistakes in words, and what it means."""
