"""What a later night goes on with: the inputs that must not change, rescored and forked studies, earlier ones."""
