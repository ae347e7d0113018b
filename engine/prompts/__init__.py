"""From a prompt's text to conditioning: what the UNet's cross-attention reads."""
