"""What mattered: which blocks, Self sites and Adjust fields changed the score, and how sure that is."""

from __future__ import annotations

from starlette.responses import Response

from studies.pages.context import Visit
from studies.pages.reading.importance import ImportanceFinder

_FINDERS: dict[str, ImportanceFinder] = {}


def importance_page(visit: Visit) -> Response:
    """Show what mattered; while it is worked out, a page that says so and loads itself again."""
    study = visit.study
    state = _FINDERS.setdefault(str(visit.reader.file), ImportanceFinder()).state(study)
    return visit.page("importance.html", study=study, state=state, found=state.found)
