"""What all tables of a study file are made of: their base, and values that are checked alike in several of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.limits import SEED, SIDES
from studies import checks

MOST_TRIALS = 100_000

Text = Annotated[str, AfterValidator(checks.filled)]
Side = Annotated[int, Field(ge=SIDES[0], le=SIDES[1]), AfterValidator(checks.side)]
ShotSeed = Annotated[int, Field(ge=SEED[0], le=SEED[1])]
Seeds = Annotated[list[ShotSeed], Field(min_length=1), AfterValidator(checks.different)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
UpperBound = Annotated[float, AfterValidator(checks.above_low)]
Scorer = Annotated[str, AfterValidator(checks.scorer)]
Weights = Annotated[dict[Scorer, Annotated[float, Field(ge=0, le=1000)]], AfterValidator(checks.weighed)]
FileOwner = Annotated[str, AfterValidator(checks.file_owner)]
Trials = Annotated[int, Field(ge=0, le=MOST_TRIALS)]


class Written(BaseModel):
    """What all tables share: no unknown keys, no quiet conversions."""

    # Of a key's `examples`, the first is for the key itself, the second for an entry of its table.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
