"""sd-mecha and comfy-mecha: a .mecha recipe (version 0.1.0), and reading one back."""
