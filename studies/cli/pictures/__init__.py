"""The commands that render pictures and plots."""
