"""The tables `[merge]` and `[space]` of a study file as they are written: what a trial merges, and what is searched."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from engine.architecture.widths import FAMILIES
from engine.recipes.blocks import ADJUST_FIELDS
from engine.recipes.dialects import DIALECTS, MODES
from search.space.build import RATIO_BOUNDS, SELF_BOUNDS
from search.space.knob import STEP
from studies.studyfile import space_values
from studies.studyfile import validators as checks
from studies.studyfile.validators import Finite, StudyFileTable, Text, UpperBound

RATIO_LIMITS = (-2.0, 3.0)
"""Ratios that SuperMerger can be told: the widest limits that its block sliders can be given."""
FACTOR_LIMITS = (0.0, 2.0)
MOST_WORDS = 20

Mode = Annotated[str, AfterValidator(checks.one_of(MODES, "merge mode"))]
Calculation = Annotated[str, AfterValidator(checks.one_of(space_values.CALCULATIONS, "calculation mode"))]
Dialect = Annotated[str, AfterValidator(checks.one_of(DIALECTS, "dialect"))]
Family = Annotated[str, AfterValidator(checks.one_of(FAMILIES, "family"))]
Block = Annotated[str, AfterValidator(checks.one_of(space_values.BLOCK_NAMES, "block"))]
BlockRange = Annotated[str, AfterValidator(space_values.block_range)]
SiteName = Annotated[str, AfterValidator(space_values.site)]
Groups = Annotated[dict[Text, Annotated[list[BlockRange], Field(min_length=1)]], AfterValidator(space_values.one_home)]
Ratio = Annotated[float, Field(ge=RATIO_LIMITS[0], le=RATIO_LIMITS[1])]
Factor = Annotated[float, Field(ge=FACTOR_LIMITS[0], le=FACTOR_LIMITS[1])]
Step = Annotated[float, Field(ge=space_values.FINEST, le=1)]
Bounds = Annotated[list[Finite], Field(min_length=2, max_length=3), AfterValidator(space_values.bounds)]
"""Lower and upper bound, and the grid between them if it is another than the table's."""
RatioBounds = Annotated[Bounds, AfterValidator(space_values.within(*RATIO_LIMITS))]
FactorBounds = Annotated[Bounds, AfterValidator(space_values.within(*FACTOR_LIMITS))]
AdjustField = Annotated[str, AfterValidator(checks.one_of(ADJUST_FIELDS, "Adjust field"))]


class MergeTable(StudyFileTable):
    """`[merge]`: what every trial does, in the words of recipe files, where no choice decides it."""

    mode: Mode = Field(default="Weight sum", examples=["Add difference"])
    calculation: Calculation = Field(default="normal", examples=["cosineA"])
    dialect: Dialect | None = Field(default=None, examples=["classic"])
    family: Family | None = Field(default=None, examples=["sdxl"])
    separate: bool = Field(default=False, examples=[True])
    beta: Ratio | None = Field(default=None, examples=[0.3])
    gamma: float = Field(default=0.3, ge=0, le=100, examples=[0.3])


class RatiosTable(StudyFileTable):
    """What the tables of both ratios have in common."""

    low: Ratio = Field(default=RATIO_BOUNDS[0], examples=[0.0])
    high: Annotated[UpperBound, Field(ge=RATIO_LIMITS[0], le=RATIO_LIMITS[1])] = Field(
        default=RATIO_BOUNDS[1], validate_default=True, examples=[1.0]
    )
    step: Step = Field(default=STEP, examples=[STEP])
    bounds: dict[Block, RatioBounds] = Field(default={}, examples=[{"OUT05": [0.1, 0.6]}, [0.1, 0.6]])
    freeze: dict[Block, Ratio] = Field(default={"BASE": 0.0}, examples=[{"BASE": 0.0}, 0.0])
    ties: dict[Block, Block] = Field(default={}, examples=[{"OUT05": "IN05"}, "IN05"])


class BlocksTable(RatiosTable):
    """`[space.blocks]`: the ratio of every block: bounds, frozen blocks, ties, groups."""

    groups: Groups = Field(default={}, examples=[{"IN": ["IN00-IN05"]}, ["IN00-IN05"]])


class SecondTable(RatiosTable):
    """`[space.second]`: the second ratio of every block, for three models; groups are those of the first."""


class SelfTable(StudyFileTable):
    """`[space.self]`: sites whose weights are multiplied."""

    sites: Annotated[list[SiteName], BeforeValidator(space_values.suggested)] = Field(
        default=[], examples=[["OUT05:attn1"], "OUT05:attn1"]
    )
    low: Factor = Field(default=SELF_BOUNDS[0], examples=[SELF_BOUNDS[0]])
    high: Annotated[UpperBound, Field(ge=FACTOR_LIMITS[0], le=FACTOR_LIMITS[1])] = Field(
        default=SELF_BOUNDS[1], validate_default=True, examples=[SELF_BOUNDS[1]]
    )
    step: Step = Field(default=STEP, examples=[STEP])
    bounds: dict[SiteName, FactorBounds] = Field(default={}, examples=[{"OUT05:attn1": [0.8, 1.0]}, [0.8, 1.0]])
    freeze: dict[SiteName, Factor] = Field(default={}, examples=[{"OUT08:attn1": 0.88}, 0.88])
    ties: dict[SiteName, SiteName] = Field(default={}, examples=[{"OUT08:attn1": "OUT05:attn1"}, "OUT05:attn1"])


class ChoicesTable(StudyFileTable):
    """`[space.choices]`: words among which the search chooses; the first of each is where it starts."""

    mode: Annotated[list[Mode], Field(min_length=2), AfterValidator(checks.different)] | None = Field(
        default=None, examples=[["Weight sum", "Add difference"], "Add difference"]
    )
    calculation: Annotated[list[Calculation], Field(min_length=2), AfterValidator(checks.different)] | None = Field(
        default=None, examples=[["normal", "cosineA"], "cosineA"]
    )
    vae: Annotated[list[Text], Field(min_length=2, max_length=MOST_WORDS), AfterValidator(checks.different)] | None = (
        Field(default=None, examples=[["merged", "models/some.vae.safetensors"], "models/some.vae.safetensors"])
    )

    @property
    def given(self) -> dict[str, list[str]]:
        """The words of every choice that there is."""
        found = {"mode": self.mode, "calculation": self.calculation, "vae": self.vae}
        return {name: words for name, words in found.items() if words is not None}


class SpaceTable(StudyFileTable):
    """`[space]`: every searched number, and every choice."""

    blocks: BlocksTable = Field(default=BlocksTable())
    second: SecondTable | None = Field(default=None, examples=[{"low": 0.0, "high": 0.5}])
    self_: SelfTable = Field(default=SelfTable(), alias="self")
    adjust: dict[AdjustField, Bounds] = Field(default={}, examples=[{"CONT": [-5, 5]}, [-5, 5]])
    choices: ChoicesTable = Field(default=ChoicesTable())
