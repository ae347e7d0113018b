"""SuperMerger's X/Y/Z plots: which merges a plot comes to, in which order.

X runs fastest, then Y, then Z. Every cell merges anew, but where the X axis is the seed or a prompt: there one merge
makes the pictures of a whole row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.modes.registry import merge_mode
from engine.modes.sums import SUM_TWICE
from engine.recipes.blocks import BLOCKS, blocks_of
from engine.recipes.dialects import Dialect
from engine.recipes.presets import NO_PRESETS, OwnPresets
from engine.recipes.steps import MergeStep
from engine.supermerger.axes import NONE, PICTURES_ONLY, PINPOINTS, Axis, axis_values, queued
from engine.supermerger.fields import FilterMode, RunFields, mode_of, step_of
from engine.supermerger.weights import parse_weights, weights_line

_NO_AXIS = Axis()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot and what is set beside it.

    Attributes:
        fields: the settings that no axis changes.
        x: fastest.
        y: slower.
        z: slowest.
    """

    fields: RunFields
    x: Axis
    y: Axis = _NO_AXIS
    z: Axis = _NO_AXIS


def queue_of(plot: Plot) -> tuple[Plot, ...]:
    """The plots that ``|`` in the values of an axis splits this one into.

    Raises:
        RecipeError: several axes have one.
    """
    split = [name for name in ("x", "y", "z") if "|" in getattr(plot, name).text]
    if len(split) > 1:
        raise RecipeError(
            f"the axes {', '.join(split)} all have | in their values", remedy="split one of them at a time"
        )
    if not split:
        return (plot,)
    return tuple(replace(plot, **{split[0]: axis}) for axis in queued(getattr(plot, split[0])))


def expand(plot: Plot, dialect: Dialect, family: FamilyName, own: OwnPresets = NO_PRESETS) -> tuple[MergeStep, ...]:
    """Every merge that SuperMerger makes for a plot, in its order.

    Args:
        plot: without ``|``; see ``queue_of``.
        dialect: of the SuperMerger that would make it.
        family: of the models.
        own: presets of one's own by name.

    Raises:
        RecipeError: an axis has a value that does not belong there, or one that needs another axis beside it.
    """
    _check(plot)
    reader = _Cells(plot, dialect, family, own)
    z, y, x = (axis_values(axis, dialect) for axis in (plot.z, plot.y, plot.x))
    columns = x[:1] if plot.x.kind in PICTURES_ONLY else x
    return tuple(reader.cell(*values) for values in product(z, y, columns))


def _check(plot: Plot) -> None:
    kinds = [axis.kind for axis in (plot.x, plot.y, plot.z) if axis.kind != NONE]
    if twice := sorted({kind.strip() for kind in kinds if kinds.count(kind) > 1}):
        raise RecipeError(f"two axes are {', '.join(twice)}", remedy="choose another for one of them")
    needs = [kind for kind in kinds if kind in PINPOINTS]
    if len(needs) > 1:
        raise RecipeError(f"{' and '.join(needs)}: a plot has room for one of them, with alpha on another axis")
    partners = {"alpha", "beta"} if needs == ["pinpoint blocks"] else {"alpha"}
    if needs and not partners & {*kinds}:
        raise RecipeError(f"{needs[0]} needs the number from another axis", remedy="make one of them alpha")


class _Cells:
    """Settings of the cells of one plot."""

    def __init__(self, plot: Plot, dialect: Dialect, family: FamilyName, own: OwnPresets) -> None:
        self.plot, self._dialect, self._own = plot, dialect, own
        self._family: FamilyName = family

    def cell(self, z: str, y: str, x: str) -> MergeStep:
        """The merge of a cell."""
        axes = ((self.plot.z.kind, z), (self.plot.y.kind, y), (self.plot.x.kind, x))
        values = {kind: value for kind, value in axes if kind != NONE}
        fields, later = self.plot.fields, {kind: value for kind, value in values.items() if kind in PINPOINTS}
        for kind, value in values.items():
            if kind in PICTURES_ONLY or kind in later or (kind == "alpha" and later and not _sets_alpha(later)):
                continue
            fields = _SETTERS[kind](fields, value)
        for kind, value in later.items():
            fields = self._pinpointed(fields, kind, value, values)
        return step_of(fields, self._dialect, self._family, self._own)

    def _pinpointed(self, fields: RunFields, kind: str, value: str, values: Mapping[str, str]) -> RunFields:
        match kind:
            case "pinpoint adjust":
                return replace(fields, adjust=self._adjust(fields.adjust, value, values["alpha"]))
            case "pinpoint blocks":
                return self._blocks(fields, value, values)
            case _:
                extended = fields.extended or kind == "pinpoint element ext"
                rules = _joined(fields.elemental, f"{value}:{values['alpha']}")
                return replace(fields, elemental=rules, extended=extended)

    def _adjust(self, text: str, field: str, number: str) -> str:
        names = self._dialect.adjust_fields
        words = [*(word.strip() or "0" for word in text.split(",")), *("0" for _ in names)][: len(names)]
        words[names.index(field)] = number
        return ",".join(words)

    def _blocks(self, fields: RunFields, value: str, values: Mapping[str, str]) -> RunFields:
        """One number in some blocks; without "use MBW" only the slider has moved, as in SuperMerger."""
        side = "alpha" if "alpha" in values else "beta"
        if not fields.mbw:
            return fields
        text = fields.weights_alpha if side == "alpha" else fields.weights_beta
        row = parse_weights(text, self._family, self._dialect, own=self._own, seed=fields.seed, side=side).numbers
        blocks = BLOCKS if len(row) == len(BLOCKS) else blocks_of(self._family)
        chosen = _chosen(value, blocks)
        line = weights_line([float(values[side]) if name in chosen else x for name, x in zip(blocks, row, strict=True)])
        return replace(fields, weights_alpha=line) if side == "alpha" else replace(fields, weights_beta=line)


def _sets_alpha(pinpoints: Mapping[str, str]) -> bool:
    """Pinpoint blocks moves the slider as well, which counts where "use MBW" is off."""
    return "pinpoint blocks" in pinpoints


def _with_beta(fields: RunFields) -> RunFields:
    """A mode with a beta: Weight sum and Add difference silently become sum Twice."""
    mode = mode_of(fields.mode)
    return fields if merge_mode(mode).beta else replace(fields, mode=SUM_TWICE.name)


def _joined(first: str, second: str) -> str:
    return ",".join(text for text in (first, second) if text)


def _set_both(fields: RunFields, value: str) -> RunFields:
    alpha, beta = (value.split() * 2)[:2]
    return replace(_with_beta(fields), alpha=float(alpha), beta=float(beta))


def _set_both_weights(fields: RunFields, value: str) -> RunFields:
    alpha, beta = value.split("\n")
    return replace(_with_beta(fields), mbw=True, weights_alpha=alpha, weights_beta=beta)


def _set_model(place: int) -> Callable[[RunFields, str], RunFields]:
    def setter(fields: RunFields, value: str) -> RunFields:
        names = [*fields.models, "", ""][:3]
        names[place] = value
        return replace(fields, models=tuple(names))

    return setter


def _set_filter(mode: FilterMode, *, add: bool) -> Callable[[RunFields, str], RunFields]:
    def setter(fields: RunFields, value: str) -> RunFields:
        kept = fields.filtered if add and fields.filter_mode == mode else ()
        return replace(fields, filter_mode=mode, filtered=tuple(dict.fromkeys([*kept, *value.split()])))

    return setter


_SETTERS: dict[str, Callable[[RunFields, str], RunFields]] = {
    "alpha": lambda fields, value: replace(fields, alpha=float(value)),
    "beta": lambda fields, value: replace(_with_beta(fields), beta=float(value)),
    "alpha and beta": _set_both,
    "mbw alpha ": lambda fields, value: replace(fields, mbw=True, weights_alpha=value),
    "mbw beta": lambda fields, value: replace(_with_beta(fields), mbw=True, weights_beta=value),
    "mbw alpha and beta": _set_both_weights,
    "model_A": _set_model(0),
    "model_B": _set_model(1),
    "model_C": _set_model(2),
    "include blocks": _set_filter("Include", add=False),
    "exclude blocks": _set_filter("Exclude", add=False),
    "add include": _set_filter("Include", add=True),
    "add exclude": _set_filter("Exclude", add=True),
    "elemental": lambda fields, value: replace(fields, elemental=value),
    "add elemental": lambda fields, value: replace(fields, elemental=_joined(fields.elemental, value)),
    "adjust": lambda fields, value: replace(fields, adjust=value),
    "calcmode": lambda fields, value: replace(fields, calculation=value),
}


def _chosen(value: str, blocks: Sequence[str]) -> set[str]:
    words = value.split()
    inverted = words[:1] == ["NOT"]
    found: set[str] = set()
    for word in words[inverted:]:
        ends = word.split("-")
        if len(ends) > 2 or not {*ends} <= {*blocks}:
            raise RecipeError(
                f"axis pinpoint blocks: {word!r} is no block and no range",
                remedy="write names such as IN01 or OUT03-OUT06",
            )
        first, last = sorted(blocks.index(end) for end in (ends[0], ends[-1]))
        found |= {*blocks[first : last + 1]}
    return {*blocks} - found if inverted else found
