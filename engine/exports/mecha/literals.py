"""A number for every key of a model, in the fewest characters: one number, blocks with exceptions, or keys alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from engine.architecture.widths import VAE, FamilyName
from engine.exports.linear import weight_text
from engine.exports.mecha.config import (
    BLOCK_CONFIGS,
    BLOCK_NAMES,
    CONFIGS,
    CONVERTERS,
    VAE_COMPONENT,
    config_block,
)
from engine.exports.mecha.lines import Instructions

_Write = Callable[[Instructions], str]


def add_numbers(
    to: Instructions, values: Mapping[str, float], family: FamilyName, *, partial: bool
) -> tuple[str, bool]:
    """Write numbers by key, and return what names them, and whether only some keys have any.

    Args:
        to: the instructions, which grow.
        values: by key; a key that is missing may get any number.
        family: of the models.
        partial: whether a key whose number is 0 may be without one.
    """
    distinct = set(values.values())
    if len(distinct) == 1:
        return weight_text(distinct.pop()), False
    ways: list[tuple[_Write, bool]] = [
        (lambda lines: _with_exceptions(lines, values, family, _by_block), False),
        (lambda lines: _with_exceptions(lines, values, family, _uniform), False),
    ]
    if partial:
        some = {key: value for key, value in values.items() if value}
        ways.insert(0, (lambda lines: _keys(lines, some, family), True))
    write, is_partial = min(ways, key=lambda way: _size(to, way[0]))
    return write(to), is_partial


def _size(to: Instructions, write: _Write) -> int:
    lines = Instructions(to.lines)
    write(lines)
    return lines.size


def _keys(lines: Instructions, values: Mapping[str, float], family: FamilyName) -> str:
    return lines.literal({key: weight_text(value) for key, value in values.items()}, CONFIGS[family])


_Base = Callable[[Instructions, Mapping[str, float], FamilyName], tuple[str, dict[str, float]]]


def _with_exceptions(lines: Instructions, values: Mapping[str, float], family: FamilyName, base: _Base) -> str:
    """The numbers of a base, and the keys that have others."""
    name, given = base(lines, values, family)
    others = {key: value for key, value in values.items() if given[key] != value}
    return lines.merge("fallback", _keys(lines, others, family), name) if others else name


def _uniform(lines: Instructions, values: Mapping[str, float], family: FamilyName) -> tuple[str, dict[str, float]]:
    value = _most(values.values())
    return _constant(lines, value), dict.fromkeys(values, value)


def _constant(lines: Instructions, value: float) -> str:
    return lines.merge("convert_singleton", lines.literal({"key": weight_text(value)}, "singleton-mecha"))


def _by_block(lines: Instructions, values: Mapping[str, float], family: FamilyName) -> tuple[str, dict[str, float]]:
    vae = [value for key, value in values.items() if key.startswith(VAE)]
    apart = family == "sd1" and bool(vae)  # SDXL's blocks have one of the VAE's own
    members: dict[str, list[float]] = {name: [] for name in BLOCK_NAMES[family]}
    for key, value in values.items():
        if not (apart and key.startswith(VAE)):
            members[config_block(key, family)].append(value)
    blocks = {name: _most(numbers) if numbers else 0.0 for name, numbers in members.items()}
    texts = {name: weight_text(value) for name, value in blocks.items()}
    result = lines.merge(CONVERTERS[family], lines.literal(texts, BLOCK_CONFIGS[family]))
    given = {key: blocks[config_block(key, family)] for key in values}
    if apart and (value := _most(vae)) != blocks["BASE"]:
        without = lines.merge("omit_component", result, f'"{VAE_COMPONENT}"')
        result = lines.merge("fallback", without, _constant(lines, value))
        given |= {key: value for key in values if key.startswith(VAE)}
    return result, given


def _most(values: Iterable[float]) -> float:
    return Counter(values).most_common(1)[0][0]
