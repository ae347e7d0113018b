"""The commands that begin, follow and end nights."""
