"""What the targets that hold weighted sums share: what none can hold, the heading, and the file of the shifts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from engine.checkpoints.checkpoint import PARTS
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, Refusal

RECIPE_MARK = "#| "
"""What the lines of the recipe begin with, among the comments of an export."""
_DIGITS = 12  # as many as float32 sums can tell, so that 0.30000000000000004 is 0.3


def nonlinear_refusals(content: ExportContent) -> list[Refusal]:
    """Refuse the keys that are no weighted sum of the models."""
    if not content.nonlinear:
        return []
    what = "a calculation mode makes these tensors, not a weighted sum of models"
    return [Refusal(what=what, keys=content.nonlinear)]


def shape_refusals(content: ExportContent, *, merged_alone: bool) -> list[Refusal]:
    """Refuse the keys whose shapes differ: these tools compute with the shapes as they are stored.

    Args:
        content: the recipe and its models.
        merged_alone: only among the models that a key is merged of, not among all that have it.
    """
    keys = tuple(key for key in content.plan.rows if _shapes_differ(content, key, merged_alone=merged_alone))
    return [Refusal(what="these tensors have another shape in another model", keys=keys)] if keys else []


def _shapes_differ(content: ExportContent, key: str, *, merged_alone: bool) -> bool:
    names = content.plan.rows[key].models if merged_alone else content.checkpoints
    shapes = [content.checkpoints[name].shapes[key] for name in names if key in content.checkpoints[name].shapes]
    return any(shape != shapes[0] for shape in shapes[1:])


def suffix_refusals(content: ExportContent) -> list[Refusal]:
    """Refuse models whose files have another ending than .safetensors: these tools take them for pickles, or stop."""
    odd = [path.name for path in content.models.values() if path.suffix.lower() != ".safetensors"]
    return [Refusal(what=f"it reads files that end in .safetensors, and {', '.join(odd)} does not")] if odd else []


def is_needed(key: str) -> bool:
    """Whether a tensor is of the UNet, the VAE or a text encoder."""
    return key.startswith(PARTS)


def rounded(weight: float) -> float:
    """Return a weight without the last digits, which come from the order of sums."""
    return float(f"{weight:.{_DIGITS}g}")


def weight_text(weight: float) -> str:
    """Return a number that is a float in YAML 1.1 and in .mecha: with a point, also before an exponent."""
    text = repr(rounded(weight))
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def heading(content: ExportContent, options: ExportOptions) -> list[str]:
    """Return the comments at the top of a file: title, models with their hashes, the recipe; a line each."""
    title = " ".join(content.title.split())
    lines = [f"# {title}: every tensor is one weighted sum of the models, rounded once (folded)"]
    if not options.with_recipe:
        return lines
    for name in content.recipe.models:
        file = json.dumps(content.file_name(name), ensure_ascii=False)
        digest = f", SHA-256 {content.hashes[name]}" if name in content.hashes else ""
        lines.append(f"# model {json.dumps(name, ensure_ascii=False)} is {file}{digest}")
    lines.append(f"# the recipe, in the dialect {content.recipe.dialect} of SuperMerger; the lines without # count")
    return [*lines, *(f"{RECIPE_MARK}{line}".rstrip() for line in content.recipe.text.split("\n"))]


def shifts_of(content: ExportContent, keys: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """Return what is added to each element of a tensor, by key, where anything is."""
    rows = content.plan.rows
    return {key: rows[key].shift for key in keys if rows[key].shift}


def shift_file(content: ExportContent, shifts: Mapping[str, tuple[float, ...]]) -> bytes:
    """Return the content of the small .safetensors file that holds the shifts, as float32."""
    import torch  # exports of texts do without
    from safetensors.torch import save

    shapes = content.plan.shapes
    tensors = {key: torch.tensor(values).reshape(shapes[key]).float() for key, values in shifts.items()}
    return save(tensors, metadata={"format": "pt"})
