"""The schema of `[render.options]`: settings of a WebUI that pictures usually leave alone."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.shots.options import EMPHASES, LIMITS
from studies.studyfile.tables import validators as checks
from studies.studyfile.tables.validators import StudyFileTable


def _number(name: str, example: float) -> Any:
    """A number of ``PictureOptions`` with its limits."""
    low, high = LIMITS[name]
    return Field(default=0.0, ge=low, le=high, examples=[example])


class OptionsTable(StudyFileTable):
    """`[render.options]`: settings of a WebUI that pictures usually leave alone."""

    emphasis: Annotated[str, AfterValidator(checks.one_of(EMPHASES, "emphasis"))] = Field(
        default=EMPHASES[0], examples=["No norm"]
    )
    """How weights in prompts count: `Original`, `No norm`, `Ignore` or `None`."""
    ngms: float = _number("ngms", 1.5)
    """Negative guidance minimum sigma: below this noise level every second call has no negative."""
    ngms_all: bool = Field(default=False, examples=[True])
    """Whether every call below `ngms` is without the negative."""
    skip_early_cfg: float = _number("skip_early_cfg", 0.1)
    """Share of the calls, from the first on, that are without the negative."""
    s_churn: float = _number("s_churn", 5.0)
    """Noise added before the steps of Euler, Heun and DPM2."""
    s_tmin: float = _number("s_tmin", 0.05)
    """The lowest noise level at which `s_churn` adds noise."""
    s_tmax: float = _number("s_tmax", 10.0)
    """The highest; 0: none."""
    sigma_min: float = _number("sigma_min", 0.05)
    """The lowest noise level of schedules that choose their range; 0: the model's."""
    sigma_max: float = _number("sigma_max", 10.0)
    """The highest; 0: the model's."""
    rho: float = _number("rho", 5.0)
    """The exponent of `Karras` and `Polyexponential`; 0: 7 and 1."""
