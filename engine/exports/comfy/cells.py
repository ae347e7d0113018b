"""The folded rows of a recipe in ComfyUI's terms: which weights each of its blocks has, and which keys fit none.

A cell is what one number of a node reaches: the keys of a block, but for those of its attentions, which have nodes of
their own. The weights of a cell are a sum of models with the weights 1 in all, times a factor (Self, Adjust).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.exports.content import ExportContent
from engine.recipes.adjust import ADJUSTED

UNET = "model.diffusion_model."
"""How the keys of UNets begin."""
TEXT = ("cond_stage_model.", "conditioner.")
"""How the keys of text encoders begin."""
LEFT_ALONE = (".position_ids", ".logit_scale")
"""How the keys end that ComfyUI's nodes leave as they are in the first text encoder."""
PROJECTIONS = (".model.text_projection", ".model.positional_embedding")
"""How the OpenCLIP keys end that ComfyUI merges with the rest, and SuperMerger does not."""
WHOLE = ""
"""The label of a part that has one number for all its keys."""

_ATTENTION = re.compile(r"\.(attn[12])\.to_(q|k|v|out)(?:\.0)?\.(?:weight|bias)$")
_DIGITS = 10
_REST = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """Weights: ``factor * sum of weights[m] * model m``.

    Attributes:
        weights: by place of the model; 1 in all.
        factor: what the sum is multiplied by.
    """

    weights: tuple[float, ...]
    factor: float = 1.0

    @property
    def product(self) -> tuple[float, ...]:
        """The weights with the factor in them."""
        return tuple(weight * self.factor for weight in self.weights)


@dataclass(frozen=True, kw_only=True)
class CellTable:
    """All cells of a part.

    Attributes:
        cells: by label of the block; single keys (without the part's prefix) where each has a number of its own.
        attention: by attention tensor (``attn1.q``), the cells of the blocks that have such keys.
        patched: keys whose difference to their cell goes into a file.
        odd: keys that fit no cell.
        keys: by label, the keys that its number reaches.
    """

    cells: dict[str, Cell] = field(default_factory=dict[str, Cell])
    attention: dict[str, dict[str, Cell]] = field(default_factory=dict[str, dict[str, Cell]])
    patched: dict[str, Cell] = field(default_factory=dict[str, Cell])
    odd: list[str] = field(default_factory=list[str])
    keys: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def part_keys(content: ExportContent, *prefixes: str) -> list[str]:
    """Return the keys of the result that begin with one of the prefixes."""
    return [key for key in content.plan.rows if key.startswith(prefixes)]


def weights_of(content: ExportContent, models: Sequence[str], key: str) -> tuple[float, ...]:
    """Return the weight of every model in a key."""
    weights = content.weights(key)
    return tuple(weights.get(name, 0.0) for name in models)


def unet_table(content: ExportContent, models: Sequence[str], labels: Sequence[str], *, single: bool) -> CellTable:
    """Return the cells of a UNet whose rows are all weighted sums.

    Args:
        content: the recipe.
        models: in the order of the weights.
        labels: of the blocks.
        single: whether keys that differ from their block's may have a cell of their own, and attentions have none.
    """
    table = CellTable()
    for label, keys in _by_label(part_keys(content, UNET), labels).items():
        if not label:
            table.odd.extend(keys)
            continue
        table.keys[label] = keys
        groups: dict[str, list[str]] = {}
        for key in keys:
            groups.setdefault(_REST if single else attention_of(key), []).append(key)
        cells = {key: _cell(weights_of(content, models, key)) for key in keys}
        _add_block(table, label, groups, cells, single=single)
    table.patched.update({key: _cell_of(table, key, labels) for key in ADJUSTED if _is_shifted(content, key)})
    _fill_zeros(table)
    return table


def text_table(content: ExportContent, models: Sequence[str]) -> CellTable:
    """Return the one cell of the text encoders, all of whose rows are weighted sums."""
    table = CellTable()
    keys = [key for key in part_keys(content, *TEXT) if not key.endswith(LEFT_ALONE)]
    cells = {key: _cell(weights_of(content, models, key)) for key in keys}
    table.keys[WHOLE] = keys
    common = table.cells[WHOLE] = _common(cells.values())
    taken = [name for name, weight in zip(models, common.weights, strict=True) if weight]
    for key in keys:
        if cells[key] == common:
            continue
        has_all = all(key in content.checkpoints[name].shapes for name in taken)
        if key.endswith(PROJECTIONS) and has_all:
            table.patched[key] = common
        else:
            table.odd.append(key)
    return table


def _by_label(keys: Iterable[str], labels: Sequence[str]) -> dict[str, list[str]]:
    """Sort keys by the longest label that their names begin with; empty where none does."""
    found: dict[str, list[str]] = {}
    for key in keys:
        fitting = [label for label in labels if key.startswith(UNET + label)]
        found.setdefault(max(fitting, key=len, default=""), []).append(key)
    return found


def attention_of(key: str) -> str:
    """Return the attention tensor that a key is of, such as ``attn1.q``; empty for other keys."""
    found = _ATTENTION.search(key)
    return f"{found[1]}.{found[2]}" if found else _REST


def _add_block(
    table: CellTable, label: str, groups: Mapping[str, list[str]], cells: Mapping[str, Cell], *, single: bool
) -> None:
    rest = groups.get(_REST) or next(iter(groups.values()))
    plain = [cells[key] for key in rest if key not in ADJUSTED]
    common = _common(plain) if plain else _adjusted_cell([cells[key] for key in rest])
    table.cells[label] = common
    for group, keys in groups.items():
        cell = _common(cells[key] for key in keys) if group else common
        if group:
            table.attention.setdefault(group, {})[label] = cell
        for key in keys:
            if cells[key] == cell:
                continue
            if key in ADJUSTED:
                table.patched[key] = cell
            elif single:
                table.cells[key.removeprefix(UNET)] = cells[key]
                table.keys[key.removeprefix(UNET)] = [key]
            else:
                table.odd.append(key)


def _adjusted_cell(cells: Sequence[Cell]) -> Cell:
    """The cell of a block that Adjust alone may have changed: its factors are left to the file."""
    first = cells[0]
    return first if all(cell == first for cell in cells) else Cell(_common(cells).weights)


def _is_shifted(content: ExportContent, key: str) -> bool:
    return key in content.plan.rows and bool(content.plan.rows[key].shift)


def _cell_of(table: CellTable, key: str, labels: Sequence[str]) -> Cell:
    (label,) = _by_label([key], labels)
    return table.cells[label]


def _fill_zeros(table: CellTable) -> None:
    """Give what is multiplied by 0 the weights of other cells, so that no node is needed for them."""
    whole = next((cell.weights for cell in table.cells.values() if cell.factor), None)
    for label, cell in table.cells.items():
        if not cell.factor:
            table.cells[label] = Cell(whole or _first_alone(cell), 0.0)
    for group in table.attention.values():
        for label, cell in group.items():
            if not cell.factor:
                group[label] = Cell(table.cells[label].weights, 0.0)


def _first_alone(cell: Cell) -> tuple[float, ...]:
    return (1.0, *(0.0 for _ in cell.weights[1:]))


def _common(cells: Iterable[Cell]) -> Cell:
    return Counter(cells).most_common(1)[0][0]


def _cell(weights: tuple[float, ...]) -> Cell:
    total = round(sum(weights), _DIGITS)
    if not total:  # nothing of any model, or a difference of models, which no node of one ratio gives
        return Cell(tuple(round(weight, _DIGITS) for weight in weights), 0.0 if not any(weights) else 1.0)
    return Cell(tuple(round(weight / total, _DIGITS) for weight in weights), total)
