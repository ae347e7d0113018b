"""Files of tensors, opened and checked without running anything in them."""
