"""What each block, element and Adjust value does to the pictures of this pair of checkpoints."""
