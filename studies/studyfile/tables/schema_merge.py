"""The schema of the tables `[merge]` and `[space]`: what a trial merges, and what is searched."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from engine.architecture.widths import FAMILIES
from engine.modes.registry import MERGE_MODES
from engine.recipes.blocks import ADJUST_FIELDS
from engine.recipes.dialects import DIALECTS
from search.space.build import RATIO_BOUNDS, SELF_BOUNDS
from search.space.knob import STEP
from studies.studyfile.tables import space_values
from studies.studyfile.tables import validators as checks
from studies.studyfile.tables.validators import FilePath, FilledText, FiniteNumber, StudyFileTable, UpperBound

RATIO_LIMITS = (-2.0, 3.0)
"""The smallest and the largest ratio: the widest limits that SuperMerger's block sliders can be given."""
FACTOR_LIMITS = (0.0, 2.0)
"""The smallest and the largest Self factor."""
MOST_WORDS = 20
"""The most VAE files that a search can choose among."""

ModeName = Annotated[str, AfterValidator(checks.one_of(MERGE_MODES, "merge mode"))]
CalculationName = Annotated[str, AfterValidator(space_values.calculation)]
DialectName = Annotated[str, AfterValidator(checks.one_of(DIALECTS, "dialect"))]
FamilyWord = Annotated[str, AfterValidator(checks.one_of(FAMILIES, "family"))]
BlockName = Annotated[str, AfterValidator(checks.one_of(space_values.BLOCK_NAMES, "block"))]
BlockRange = Annotated[str, AfterValidator(space_values.block_range)]
SiteName = Annotated[str, AfterValidator(space_values.site)]
BlockGroups = Annotated[
    dict[FilledText, Annotated[list[BlockRange], Field(min_length=1)]], AfterValidator(space_values.one_home)
]
RatioValue = Annotated[float, Field(ge=RATIO_LIMITS[0], le=RATIO_LIMITS[1])]
FactorValue = Annotated[float, Field(ge=FACTOR_LIMITS[0], le=FACTOR_LIMITS[1])]
GridStep = Annotated[float, Field(ge=space_values.FINEST, le=1)]
BoundsList = Annotated[list[FiniteNumber], Field(min_length=2, max_length=3), AfterValidator(space_values.bounds)]
"""Lower and upper bound, and the grid between them if it differs from the table's."""
RatioBounds = Annotated[BoundsList, AfterValidator(space_values.within(*RATIO_LIMITS))]
FactorBounds = Annotated[BoundsList, AfterValidator(space_values.within(*FACTOR_LIMITS))]
AdjustField = Annotated[str, AfterValidator(checks.one_of(ADJUST_FIELDS, "Adjust field"))]


class MergeTable(StudyFileTable):
    """`[merge]`: what every trial does, in the words of recipe files, where no choice decides it."""

    mode: ModeName = Field(default="Weight sum", examples=["Add difference"])
    """Merge mode: `Weight sum`, `Add difference`, `Triple sum` or `sum Twice`."""
    calculation: CalculationName = Field(default="normal", examples=["cosineA"])
    """Calculation mode; the dialect decides which there are."""
    dialect: DialectName | None = Field(default=None, examples=["classic"])
    """SuperMerger's version: `2023`, `classic`, `head` or `head_patched`; without it, `classic`, and `head` for SDXL.
"""
    family: FamilyWord | None = Field(default=None, examples=["sdxl"])
    """`sd1`, `sd2` or `sdxl`; without it, what the checkpoints are."""
    separate: bool = Field(default=False, examples=[True])
    """TIME, OUT and LABEL have ratios of their own: SDXL in the dialect `head`."""
    beta: RatioValue | None = Field(default=None, examples=[0.3])
    """One second ratio for all blocks, in modes that have a second ratio; without it, they are searched."""
    gamma: float = Field(default=0.3, ge=0, le=100, examples=[0.3])
    """SuperMerger's gamma, for `extract`."""


class RatiosTable(StudyFileTable):
    """What the tables of both ratios have in common."""

    low: RatioValue = Field(default=RATIO_BOUNDS[0], examples=[0.0])
    """Lower bound of every ratio."""
    high: Annotated[UpperBound, Field(ge=RATIO_LIMITS[0], le=RATIO_LIMITS[1])] = Field(
        default=RATIO_BOUNDS[1], validate_default=True, examples=[1.0]
    )
    """Upper bound of every ratio."""
    step: GridStep = Field(default=STEP, examples=[STEP])
    """The grid of what is tried."""
    bounds: dict[BlockName, RatioBounds] = Field(default={}, examples=[{"OUT05": [0.1, 0.6]}, [0.1, 0.6]])
    """Bounds of single blocks: `[low, high]`, or `[low, high, step]`."""
    freeze: dict[BlockName, RatioValue] = Field(default={"BASE": 0.0}, examples=[{"BASE": 0.0}, 0.0])
    """Blocks that are not searched, and their ratio. BASE is the text encoder and the VAE."""
    ties: dict[BlockName, BlockName] = Field(default={}, examples=[{"OUT05": "IN05"}, "IN05"])
    """Blocks that always have the ratio of another block."""


class BlocksTable(RatiosTable):
    """`[space.blocks]`: the ratio of every block: bounds, frozen blocks, ties, groups."""

    groups: BlockGroups = Field(default={}, examples=[{"IN": ["IN00-IN05"]}, ["IN00-IN05"]])
    """Blocks that move together in the stage `groups`, each group a list of blocks and ranges; without it, six groups
    along the UNet."""


class SecondTable(RatiosTable):
    """`[space.second]`: the second ratio of every block, for three models; groups are those of the first."""


class SelfTable(StudyFileTable):
    """`[space.self]`: sites whose weights are multiplied."""

    sites: Annotated[list[SiteName], BeforeValidator(space_values.suggested)] = Field(
        default=[],
        examples=[["OUT05:attn1"], "OUT05:attn1"],
        json_schema_extra={"accepts": 'list of texts, or `"suggested"`'},
    )
    """Parts of the merged model that are multiplied, such as `"OUT05:attn1"`; `"suggested"`: attn1 of every OUT block
    that has it."""
    low: FactorValue = Field(default=SELF_BOUNDS[0], examples=[SELF_BOUNDS[0]])
    """Lower bound of every multiplier."""
    high: Annotated[UpperBound, Field(ge=FACTOR_LIMITS[0], le=FACTOR_LIMITS[1])] = Field(
        default=SELF_BOUNDS[1], validate_default=True, examples=[SELF_BOUNDS[1]]
    )
    """Upper bound of every multiplier."""
    step: GridStep = Field(default=STEP, examples=[STEP])
    """The grid of what is tried."""
    bounds: dict[SiteName, FactorBounds] = Field(default={}, examples=[{"OUT05:attn1": [0.8, 1.0]}, [0.8, 1.0]])
    """Bounds of single sites: `[low, high]`, or `[low, high, step]`."""
    freeze: dict[SiteName, FactorValue] = Field(default={}, examples=[{"OUT08:attn1": 0.88}, 0.88])
    """Sites that are not searched, and their multiplier."""
    ties: dict[SiteName, SiteName] = Field(default={}, examples=[{"OUT08:attn1": "OUT05:attn1"}, "OUT05:attn1"])
    """Sites that always have the multiplier of another site."""


class ChoicesTable(StudyFileTable):
    """`[space.choices]`: words among which the search chooses; the first of each is where it starts."""

    mode: Annotated[list[ModeName], Field(min_length=2), AfterValidator(checks.different)] | None = Field(
        default=None, examples=[["Weight sum", "Add difference"], "Add difference"]
    )
    """Merge modes."""
    calculation: Annotated[list[CalculationName], Field(min_length=2), AfterValidator(checks.different)] | None = Field(
        default=None, examples=[["normal", "cosineA"], "cosineA"]
    )
    """Calculation modes."""
    vae: (
        Annotated[list[FilePath], Field(min_length=2, max_length=MOST_WORDS), AfterValidator(checks.different)] | None
    ) = Field(default=None, examples=[["merged", "models/some.vae.safetensors"], "models/some.vae.safetensors"])
    """VAE files; `merged` is the merged VAE."""

    @property
    def given(self) -> dict[str, list[str]]:
        """The words of every choice that there is."""
        found = {"mode": self.mode, "calculation": self.calculation, "vae": self.vae}
        return {name: words for name, words in found.items() if words is not None}


class SpaceTable(StudyFileTable):
    """`[space]`: every searched number, and every choice."""

    blocks: BlocksTable = Field(default=BlocksTable())
    """The ratio of every block: 0 is A, 1 is B."""
    second: SecondTable | None = Field(default=None, examples=[{"low": 0.0, "high": 0.5}])
    """The second ratio of every block, in Triple sum, sum Twice, tensor and tensor2. Groups are those of
    `[space.blocks]`."""
    self_: SelfTable = Field(default=SelfTable(), alias="self")
    """Multipliers on parts of the merged model, as in SuperMerger's Self mode."""
    adjust: dict[AdjustField, BoundsList] = Field(default={}, examples=[{"CONT": [-5, 5]}, [-5, 5]])
    """Adjust values to search, each with its bounds: any of `IN`, `OUT`, `OUT2`, `CONT`, `BRI`, `COL1`, `COL2`, `COL3`.
    Mostly written as a table `[space.adjust]`."""
    choices: ChoicesTable = Field(default=ChoicesTable())
    """Words among which the search chooses, the usual one first. Each choice costs trials."""
