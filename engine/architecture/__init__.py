"""What a Stable Diffusion checkpoint looks like: families, widths, every key, shape and live parameter.

Free of torch.
"""
