"""All studies of the server, a card each."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from engine.errors import ProblemError
from studies.pages.context import Visit
from studies.pages.reading.glance import StudyGlance
from studies.pages.reading.reader import StudyReader


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCard:
    """One study of the list."""

    name: str
    file: str
    study: StudyGlance | None
    problem: str = ""
    """Why it cannot be read."""


def studies_page(visit: Visit) -> Response:
    """Show all studies; where there is one, go to it."""
    studies = visit.site.library.studies()
    if len(studies) == 1:
        return RedirectResponse(f"/s/{next(iter(studies))}", status_code=303)
    return visit.page("studies.html", cards=[_card(name, reader) for name, reader in studies.items()])


def _card(name: str, reader: StudyReader) -> StudyCard:
    try:
        return StudyCard(name=name, file=str(reader.file), study=reader.glance())
    except ProblemError as error:
        return StudyCard(name=name, file=str(reader.file), study=None, problem=str(error))
