"""The commands on recipes."""
