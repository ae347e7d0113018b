"""What only a GPU can tell, as one prepared run: ``make bench-gpu``."""
