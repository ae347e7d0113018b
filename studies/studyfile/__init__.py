"""The study file: its schema, its problems in words, and what it means."""
