"""The scorers: each turns features into one number a picture."""
