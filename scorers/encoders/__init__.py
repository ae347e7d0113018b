"""Image and text encoders, opened from local files alone."""
