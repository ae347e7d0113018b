"""Three scripts to run and to copy from: the engine in ten lines, a scorer of your own, an objective of your own."""
