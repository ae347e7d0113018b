"""The small file beside a workflow, in the form of a LoRA: what single tensors differ from what the nodes make of them.

``NAME.diff`` is added to ``NAME.weight`` and ``NAME.diff_b`` to ``NAME.bias``, whole and in float32. Only the shift of
Adjust's colours fits other parents; all else is a multiple of the parents' own tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.exports.comfy.cells import UNET, Cell, CellTable, weights_of
from engine.exports.content import ExportContent

if TYPE_CHECKING:
    from torch import Tensor

_ENCODERS = {"conditioner.embedders.1.model.": "clip_g", "cond_stage_model.model.": "clip_h"}
_POSITIONS = "positional_embedding"
_DIGITS = 12  # so that equal tensors cancel
TEXT_PATCH = "text_encoders."
"""How the names of the tensors begin that change a text encoder."""


def patch_tensors(content: ExportContent, models: Sequence[str], tables: Sequence[CellTable]) -> dict[str, Tensor]:
    """Return the differences that are not 0, by their names in the file.

    Args:
        content: the recipe, all of whose rows are weighted sums where a table has keys.
        models: in the order of the tables' weights.
        tables: whose ``patched`` keys are taken.

    Raises:
        CheckpointError: a model cannot be read.
    """
    found: dict[str, Tensor] = {}
    for table in tables:
        for key, cell in sorted(table.patched.items()):
            difference = _difference(content, models, key, cell)
            if difference.any():
                name, turned = _name(key)
                found[name] = (difference.t() if turned else difference).contiguous()
    return found


def _difference(content: ExportContent, models: Sequence[str], key: str, cell: Cell) -> Tensor:
    """The tensor that a key should have minus that of its cell, summed in float64."""
    import torch  # not everyone needs it

    row = content.plan.rows[key]
    total = torch.zeros(content.plan.shapes[key], dtype=torch.float64)
    for name, wanted, made in zip(models, weights_of(content, models, key), cell.product, strict=True):
        if weight := round(wanted - made, _DIGITS):
            total += content.checkpoints[name].read(key).double().reshape(total.shape) * weight
    if row.shift:
        total += torch.tensor(row.shift, dtype=torch.float64).reshape(total.shape)
    return total.float()


def _name(key: str) -> tuple[str, bool]:
    """The name of a key's difference, and whether ComfyUI has the tensor the other way round."""
    if key.startswith(UNET):
        module, _, kind = key.removeprefix("model.").rpartition(".")
        return f"{module}.{'diff' if kind == 'weight' else 'diff_b'}", False
    prefix, encoder = next((prefix, name) for prefix, name in _ENCODERS.items() if key.startswith(prefix))
    if key.removeprefix(prefix) == _POSITIONS:
        return f"{TEXT_PATCH}{encoder}.transformer.text_model.embeddings.position_embedding.diff", False
    return f"{TEXT_PATCH}{encoder}.transformer.text_projection.diff", True


def patch_file(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the file."""
    from safetensors.torch import save

    return save(dict(tensors), {"format": "pt", **metadata})
