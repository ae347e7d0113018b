"""What the commands after the recipe would cost, for `check`: pictures, and time as far as it can be told."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Named
from studies.amounts import time_text
from studies.errors import StudyError
from studies.preflight.findings import Finding, Level, errors_at
from studies.situations.planned import planned_situations
from studies.studyfile.spec import StudySpec


def cost_findings(spec: StudySpec, picture_s: float) -> Iterator[Finding]:
    """Return the costs as notes, and what would keep a command from starting: an error if the night needs it.

    Args:
        spec: the study.
        picture_s: seconds of a picture.
    """
    level: Level = "error" if spec.situations.night else "warning"
    try:
        planned = planned_situations(spec)
    except StudyError as error:
        yield from (Finding(level=level, problem=one.problem) for one in errors_at(error, "situations"))
        return
    when = "at the end of the night" if spec.situations.night else "`recipe-search situations`"
    times = [time_text(count * picture_s) for count in dict.fromkeys([planned.first, planned.most])]
    yield Finding.of("note", (Named("situations"),), f"{when}: {planned}, about {' to '.join(times)}")
