"""What was found and what a person says of it: the outcome of a proof, pins, and who made them."""
