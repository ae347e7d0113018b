"""The architecture of Stable Diffusion checkpoints: families, widths, every key, shape and live parameter.

Free of torch.
"""
