"""The journal of a study's trials as a file, its workers on one machine, and how it is mended."""
