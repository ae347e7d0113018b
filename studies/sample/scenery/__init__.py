"""The sample world's drawings: contents, places, subjects, and three axes of look."""
