"""What mattered: which blocks, Self sites and Adjust fields changed the score, and how sure that is."""

from __future__ import annotations

from starlette.responses import Response

from studies.pages.context import Visit


def importance_page(visit: Visit) -> Response:
    """Show what mattered; while it is worked out, a page that says so and loads itself again."""
    study = visit.study
    state = visit.site.mattered.of(str(visit.reader.file)).state(study)
    return visit.page("importance.html", study=study, state=state, found=state.found)
