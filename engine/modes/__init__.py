"""Merge modes and calculation modes: one record a mode, with its words and its arithmetic. No torch at import."""
