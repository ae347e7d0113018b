"""What ships of a training, and the gate that it has to pass."""
