"""What stands at the head of every exported text: dialect, recipe, and the models with their SHA-256."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions

_ARITHMETIC = {
    "folded": "every tensor is one weighted sum of the models, rounded once",
    "exact": "step by step, rounded after every step, as SuperMerger does",
}
_SHORT = 10  # digits of a SHA-256 that the WebUI shows


def head_lines(
    content: ExportContent, options: ExportOptions, tool: str, arithmetic: Literal["folded", "exact"] = "folded"
) -> list[str]:
    """Return the head: for what tool, how exact, of which models.

    Args:
        content: the recipe and its models.
        options: whether the recipe and the hashes may be named.
        tool: for people.
        arithmetic: what the text stands for.
    """
    recipe = content.recipe
    lines = [one_line(f"{content.title}, for {tool}")]
    if options.with_recipe:
        lines.append(f"recipe {recipe.key}, dialect {recipe.dialect} ({recipe.family})")
    lines.append(f"{arithmetic}: {_ARITHMETIC[arithmetic]}")
    return [*lines, *(_model_line(content, name, options) for name in recipe.models)]


def _model_line(content: ExportContent, name: str, options: ExportOptions) -> str:
    sha = f"  sha256 {content.hashes[name]}" if options.with_recipe and name in content.hashes else ""
    return one_line(f"{name} = {content.file_name(name)}{sha}")


def webui_title(content: ExportContent, name: str) -> str:
    """Return a model as the WebUI lists it: the name of its file, with the first digits of its SHA-256."""
    sha = content.hashes.get(name)
    return content.file_name(name) + (f" [{sha[:_SHORT]}]" if sha else "")


def vae_notes(options: ExportOptions) -> tuple[str, ...]:
    """Return the note on a VAE that takes the place of the merged one."""
    if (vae := options.output.vae) is None:
        return ()
    return (f"the recipe goes with the VAE {vae.name}: bake it in, or choose it where the pictures are made",)


def dtype_notes(tool: str) -> tuple[str, ...]:
    """Return the note on a tool that computes in the dtype of the files."""
    return (f"{tool} computes in the dtype of the files: with fp16 ones some weights are off by the last bit or two",)


def one_line(text: str) -> str:
    """Return a text with spaces for line breaks and tabs."""
    return text.translate(str.maketrans("\n\r\t", "   "))


def preset_name(title: str) -> str:
    """Return a name for a preset file: tabs, colons and commas would end it."""
    return one_line(title).translate(str.maketrans(":,", "__")).strip() or "recipe"


def beside(path: Path, suffix: str, ending: str) -> Path:
    """Return the path of a file beside an export.

    Args:
        path: of the export.
        suffix: of the target, which is taken off the name.
        ending: put in its place.
    """
    return path.with_name(path.name.removesuffix(suffix) + ending)


def commented(lines: Sequence[str]) -> list[str]:
    """Return lines as comments of a shell."""
    return [f"# {line}" for line in lines]


def text_of(lines: Sequence[str]) -> str:
    """Return lines as the text of a file."""
    return "\n".join(lines) + "\n"
