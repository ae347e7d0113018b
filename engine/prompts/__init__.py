"""From a prompt's text to what the UNet's cross-attention reads."""
