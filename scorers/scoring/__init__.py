"""The scorers: each turns features into one number per picture."""
