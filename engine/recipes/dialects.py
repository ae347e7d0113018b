"""SuperMerger's dialects: what the same words mean in three of its versions, as data.

SuperMerger (hako-mikan/sd-webui-supermerger) changed its arithmetic, its block rules and its fields several times, so
one text makes different models in different versions. Three commits are distinguished; a recipe names its dialect.

==============  ==========================================================================================
``2023``        commit 8e89e81 (October 2023): seven Adjust fields, Self multiplies every key, fp16 arithmetic
``classic``     commit c60e6f3 (June to October 2025): the last that merges SD1 and SD2
``head``        commit 0b1c491 (November 2025): SDXL only, exact block names, 110 block ids
``head_patched``  ``head`` with the SD1 block names put back, as its users do to merge SD1
==============  ==========================================================================================

A fifth one, ``webui``, is not SuperMerger's: it is AUTOMATIC1111's own Checkpoint Merger (modules/extras.py,
``run_modelmerger``, as in 1.6 to 1.10.1), so that what it merged can be merged again. It is for recipes alone, not for
searches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError, did_you_mean
from engine.modes.registry import calculation_modes
from engine.modes.sums import NORMAL

SEVEN_FIELDS = ("IN", "OUT", "OUT2", "CONT", "COL1", "COL2", "COL3")
EIGHT_FIELDS = ("IN", "OUT", "OUT2", "CONT", "BRI", "COL1", "COL2", "COL3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one version of SuperMerger reads a recipe.

    Attributes:
        name: the word in recipes.
        commit: of hako-mikan/sd-webui-supermerger, and its date.
        families: the model families that this version can merge.
        time_embed: the block of ``time_embed`` in SD1 and SD2.
        xl_embeddings: the block of ``time_embed`` and ``label_emb`` in SDXL; None where they are never merged.
        exact_blocks: whether an elemental block name must be the whole name, instead of any part of key and name.
        extended: whether the 110 block ids of SDXL exist.
        adjust_fields: the names of the Adjust fields, in their order.
        self_skips: parts of key names that Self never multiplies.
        self_skips_zero: whether a Self factor of 0 leaves a key untouched, instead of making it 0.
        native_dtype: whether sums are made in the dtype of the models, instead of float32.
        native_sums: the same for Add difference and Triple sum alone.
        filters: whether Include and Exclude exist.
        filter_toggles: whether every hit of a filter flips the choice, instead of the first hit deciding.
        webui: whether it is AUTOMATIC1111's own merger. That merges every key with "model" in its name, numbers of
            positions in SDXL too, with one ratio and in the models' own dtypes, whatever the ratio; it halves float32
            as it merges, and leaves out what only B has. It has no blocks, rules, Adjust or filters.
    """

    name: str
    commit: str
    families: tuple[FamilyName, ...]
    time_embed: str = "OUT11"
    xl_embeddings: str | None = None
    exact_blocks: bool = False
    extended: bool = False
    adjust_fields: tuple[str, ...] = EIGHT_FIELDS
    self_skips: tuple[str, ...] = ("to_out", "proj_out", "norm")
    self_skips_zero: bool = True
    native_dtype: bool = False
    native_sums: bool = False
    filters: bool = True
    filter_toggles: bool = True
    webui: bool = False

    @property
    def calculations(self) -> tuple[str, ...]:
        """The names of its calculation modes."""
        if self.webui:
            return (NORMAL.name,)
        return tuple(mode.name for mode in calculation_modes().values() if self.name not in mode.not_in)


_2023 = Dialect(
    name="2023",
    commit="8e89e81, 2023-10-15",
    families=("sd1", "sd2", "sdxl"),
    adjust_fields=SEVEN_FIELDS,
    self_skips=(),
    self_skips_zero=False,
    native_dtype=True,
    filters=False,
)
_CLASSIC = Dialect(name="classic", commit="c60e6f3, 2025-10-07", families=("sd1", "sd2", "sdxl"))
_HEAD = Dialect(
    name="head",
    commit="0b1c491, 2025-11-28",
    families=("sdxl",),
    time_embed="IN00",
    xl_embeddings="IN00",
    exact_blocks=True,
    extended=True,
    native_sums=True,
    filter_toggles=False,
)
_ALL = (_2023, _CLASSIC, _HEAD, replace(_HEAD, name="head_patched", families=("sd1", "sd2", "sdxl")))

_WEBUI = Dialect(
    name="webui",
    commit="AUTOMATIC1111's WebUI 1.6 to 1.10.1",
    families=("sd1", "sd2", "sdxl"),
    adjust_fields=(),
    self_skips=(),
    native_dtype=True,
    filters=False,
    webui=True,
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
"""SuperMerger's dialects by name."""
RECIPE_DIALECTS: dict[str, Dialect] = {**DIALECTS, _WEBUI.name: _WEBUI}
"""Every dialect that a recipe may be in, by name."""
WEBUI_DIALECT = _WEBUI.name
"""The name of the dialect of AUTOMATIC1111's own merger."""
DEFAULT_DIALECT: dict[FamilyName, str] = {"sd1": "classic", "sd2": "classic", "sdxl": "head"}


def dialect_of(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        RecipeError: there is none.
    """
    if name not in RECIPE_DIALECTS:
        raise RecipeError(f"there is no dialect {name!r}", remedy=did_you_mean(name, RECIPE_DIALECTS))
    return RECIPE_DIALECTS[name]
