"""Sheets and grids of pictures, with text."""
