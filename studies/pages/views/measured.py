"""What was measured of a recipe and of its parents: situations, recommended settings, and what each block does."""

from __future__ import annotations

from starlette.responses import Response

from studies.pages.context import Visit
from studies.pages.measured.probe import shown_probe
from studies.pages.measured.settings import shown_settings
from studies.pages.measured.situations import examined_names, shown_situations


def situations_page(visit: Visit) -> Response:
    """Show the latest examination in many situations, or with ``?of=KEY`` another one."""
    folder = visit.study.spec.storage.folder
    read = shown_situations(folder, visit.asked("of"))
    names = examined_names(folder)
    return visit.page("measured/situations.html", shown=read.found, problem=read.problem, names=names)


def settings_page(visit: Visit) -> Response:
    """Show the newest recommended settings, or with ``?of=KEY`` those of another subject."""
    read, names = shown_settings(visit.study.spec, visit.asked("of"))
    return visit.page("measured/settings.html", shown=read.found, problem=read.problem, names=names)


def probe_page(visit: Visit) -> Response:
    """Show what each block does to the pair."""
    read = shown_probe(visit.study.spec.storage.folder)
    return visit.page("measured/probe.html", shown=read.found, problem=read.problem)
