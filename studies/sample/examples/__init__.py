"""Three scripts to run and to copy from: the engine in ten lines, a scorer of one's own, an objective of one's own."""
