"""The model card of a folder: how to load it, what it was merged from, and how."""

from __future__ import annotations

from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions

_HEAD = """\
---
library_name: diffusers
pipeline_tag: text-to-image
tags:
- stable-diffusion
- text-to-image
- merge
---
"""


def model_card(content: ExportContent, options: ExportOptions, prediction: str) -> str:
    """Return the text of README.md.

    Args:
        content: the recipe and its models.
        options: of the export.
        prediction: what is known of the model's prediction and noise levels, a sentence.
    """
    lines = [
        f"{_HEAD}\n# {_line(content.title)}\n",
        "```python\nfrom diffusers import DiffusionPipeline\n",
        'pipeline = DiffusionPipeline.from_pretrained("THIS FOLDER")',
        'picture = pipeline("a prompt").images[0]\n```\n',
        f"{prediction}\n",
    ]
    return "\n".join([*lines, *(_origin(content, options) if options.with_recipe else [])])


def _origin(content: ExportContent, options: ExportOptions) -> list[str]:
    output = options.output
    how = "step by step, rounded after every step" if output.arithmetic == "exact" else "one weighted sum, rounded once"
    models = [
        f"* {name}: `{_line(content.file_name(name)).replace('`', chr(39))}`, SHA-256 `{content.hashes[name]}`"
        for name in content.recipe.models
    ]
    baked = [f"* VAE: `{_line(output.vae.name).replace('`', chr(39))}`"] if output.vae else []
    recipe = "\n".join(f"    {line}".rstrip() for line in content.recipe.text.splitlines())
    how_text = f"\nby this recipe ({how}; {output.dtype}):\n"
    return ["Merged from\n", *models, *baked, how_text, recipe, ""]


def _line(text: str) -> str:
    """A text that stays on its line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
