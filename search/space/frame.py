"""The frame of a search: what all its recipes have in common, and which blocks they have a ratio for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.architecture.widths import FamilyName
from engine.modes.pair import pair_of
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, XL_BLOCKS, blocks_of
from engine.recipes.dialects import DEFAULT_DIALECT, dialect_of
from engine.recipes.recipe import MergeStep
from search.errors import SearchError

SEPARATE = ("TIME", "OUT", "LABEL")
"""What is no block of SDXL's UNet and has a ratio of its own among the 110 ids: `time_embed`, `out.`, `label_emb`."""
_NO_UNET_BLOCK = {
    "TIME": "TIME",
    "LABEL": "LABEL",
    "OUT9": "OUT",
    "CLIPL": "BASE",
    "CLIPG": "BASE",
    "VAE": "BASE",
    "IN0": "BASE",  # no key belongs to it
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFrame:
    """Family, dialect, models, and what a run does where no knob decides it.

    Raises:
        RecipeError: a mode is unknown.
        SearchError: too few models for the mode, separate ids where the dialect has none, or beside a second ratio.
    """

    family: FamilyName = "sd1"
    dialect: str = ""
    """The dialect in which recipes are read; empty: the family's usual one."""
    models: tuple[str, ...] = ("A", "B")
    """Two of them, or three for the modes that take three."""
    mode: str = "Weight sum"
    calculation: str = "normal"
    beta: float = 0.0
    """The second ratio of every block, where it means something and the space has no knobs for it."""
    gamma: float = 0.3
    """The option of some calculation modes."""
    separate: bool = False
    """SDXL in the dialect `head`: TIME, OUT and LABEL have ratios of their own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dialect", self.dialect or DEFAULT_DIALECT[self.family])
        rules = dialect_of(self.dialect)
        if self.separate and not (self.family == "sdxl" and rules.extended):
            raise SearchError(
                f"TIME, OUT and LABEL cannot have ratios of their own in {self.family}, dialect {self.dialect}",
                remedy="that takes SDXL in the dialect head",
            )
        pair = pair_of(self.mode, self.calculation)
        if len(self.models) < pair.models:
            what = f"{pair.decisive} takes {pair.models} models, not {len(self.models)}"
            raise SearchError(what, remedy="name one more")
        if self.separate:
            self.run(dict.fromkeys(self.blocks, 0.0), {}, {})

    @property
    def blocks(self) -> tuple[str, ...]:
        """BASE and the blocks of the UNet, then TIME, OUT and LABEL where they are separate."""
        return blocks_of(self.family) + (SEPARATE if self.separate else ())

    @property
    def fields(self) -> tuple[str, ...]:
        """The Adjust fields of the dialect."""
        return dialect_of(self.dialect).adjust_fields

    def ratios(self, by_block: Mapping[str, float]) -> tuple[float, ...]:
        """Return a recipe's row of ratios: one a block, or one for each of the 110 ids."""
        if not self.separate:
            return tuple(by_block[block] for block in self.blocks)
        return tuple(by_block[_block_of_id(name)] for name in EXTENDED_BLOCKS)

    def by_block(self, ratios: float | tuple[float, ...]) -> dict[str, float]:
        """Return a row of ratios by block, the inverse of `ratios`.

        Raises:
            SearchError: the row is one of other blocks.
        """
        if not isinstance(ratios, tuple):
            return dict.fromkeys(self.blocks, ratios)
        if self.family == "sdxl" and len(ratios) == len(BLOCKS):  # SuperMerger leaves out what SDXL lacks
            ratios = tuple(ratio for block, ratio in zip(BLOCKS, ratios, strict=True) if block in XL_BLOCKS)
        names = tuple(map(_block_of_id, EXTENDED_BLOCKS)) if self.separate else self.blocks
        if len(ratios) != len(names):
            raise SearchError(f"the recipe has {len(ratios)} ratios", remedy=f"this space has {len(names)}")
        return dict(zip(names, ratios, strict=True))

    def run(self, alpha: Mapping[str, float], beta: Mapping[str, float], words: Mapping[str, str]) -> MergeStep:
        """Return the merge of two rows of ratios.

        Args:
            alpha: ratio by block.
            beta: second ratio by block, or nothing: then it is the frame's.
            words: `mode` and `calculation` where a knob decides them.

        Raises:
            RecipeError: a number that the mode cannot have.
            SearchError: a second ratio beside separate ids.
        """
        mode = words.get("mode", self.mode)
        calculation = words.get("calculation", self.calculation)
        step = MergeStep(
            models=self.models[: pair_of(mode, calculation).models],
            mode=mode,
            calculation=calculation,
            gamma=self.gamma,
            alpha=self.ratios(alpha),
            beta=self.ratios(beta) if beta else self.beta,
        )
        if self.separate and "beta" not in step.unused:
            raise SearchError(
                f"{mode}, {calculation}: SuperMerger writes the second ratio over the first where TIME, OUT and LABEL "
                "are separate",
                remedy="leave separate out",
            )
        return step


def _block_of_id(name: str) -> str:
    """Return the block of one of the 110 ids: IN410 belongs to IN04."""
    if name in _NO_UNET_BLOCK:
        return _NO_UNET_BLOCK[name]
    if name.startswith("MID"):
        return "M00"
    side = "IN" if name.startswith("IN") else "OUT"
    return f"{side}0{name[len(side)]}"
