"""The addresses of the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from engine.errors import ProblemError
from studies.errors import disk_problem
from studies.pages.context import Site, View, Visit, form_of
from studies.pages.events import EventStream
from studies.pages.guard import METRICS
from studies.pages.library import Library
from studies.pages.views.compare import compare_page
from studies.pages.views.exports import download, exports_page, start_export
from studies.pages.views.finalists import approve, finalists_page, reject_finalist
from studies.pages.views.gallery import gallery_page
from studies.pages.views.importance import importance_page
from studies.pages.views.judge import judge_page, judged_picture, keep_pick, undo_pick
from studies.pages.views.measured import probe_page, settings_page, situations_page
from studies.pages.views.night import ask_night, night_page, start_night
from studies.pages.views.pictures import picture_answer
from studies.pages.views.studies import studies_page
from studies.pages.views.trial import trial_page
from studies.status.metrics import CONTENT_TYPE, metrics_text
from studies.status.watched import WatchedStudies
from studies.store.access import Access

Endpoint = Callable[[Request], Awaitable[Response]]

READ: dict[str, View] = {
    "/": studies_page,
    "/s/{study}": night_page,
    "/s/{study}/trials": gallery_page,
    "/s/{study}/trials/{number}": trial_page,
    "/s/{study}/compare": compare_page,
    "/s/{study}/importance": importance_page,
    "/s/{study}/pictures/{picture}.{size}.webp": picture_answer,
    "/s/{study}/judge": judge_page,
    "/s/{study}/judge/{picture}.webp": judged_picture,
    "/s/{study}/finalists": finalists_page,
    "/s/{study}/exports": exports_page,
    "/s/{study}/exports/{file}": download,
    "/s/{study}/situations": situations_page,
    "/s/{study}/settings": settings_page,
    "/s/{study}/probe": probe_page,
}
"""What can be read, by address."""
WRITE: dict[str, View] = {
    "/s/{study}/start": start_night,
    "/s/{study}/ask": ask_night,
    "/s/{study}/picks": keep_pick,
    "/s/{study}/undo": undo_pick,
    "/s/{study}/approve": approve,
    "/s/{study}/reject": reject_finalist,
    "/s/{study}/export": start_export,
}
"""What can be sent, by address; each answers with another page, so that going back or reloading sends nothing again."""


SIZE_AGE_S = 300.0
"""How old the sizes of folders among the metrics may be."""


def site(library: Library, access: Access, *, metrics: bool = False) -> ASGIApp:
    """Return the application, without its guard; with ``metrics``, those of all studies are at ``/metrics``."""
    shared = Site(library=library, access=access)
    events = EventStream(library)
    routes = [
        *(Route(path, _endpoint(shared, view), methods=["GET"]) for path, view in READ.items()),
        *(Route(path, _endpoint(shared, view), methods=["POST"]) for path, view in WRITE.items()),
        *([Route(METRICS, _metrics(library), methods=["GET"])] if metrics else []),
        Route("/s/{study}/events", events.answer, methods=["GET"]),
        Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _not_here(shared)}, lifespan=events.lifespan)


def _metrics(library: Library) -> Endpoint:
    watched = WatchedStudies(library.places)

    def text() -> str:
        return metrics_text(watched.look(messages=False, size_age_s=SIZE_AGE_S))

    async def answer(_: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(text), headers={"Content-Type": CONTENT_TYPE})

    return answer


def _endpoint(shared: Site, view: View) -> Endpoint:
    async def answer(request: Request) -> Response:
        form = await form_of(request) if request.method == "POST" else {}
        visit = Visit(site=shared, request=request, form=form)
        return await run_in_threadpool(_answered, view, visit)

    return answer


def _answered(view: View, visit: Visit) -> Response:
    """The page; or what keeps it from being made, as a page."""
    try:
        return view(visit)
    except ProblemError as error:
        problems = [str(problem) for problem in error.problems]
    except OSError as error:
        if (full := disk_problem(error)) is None:
            raise
        problems = [str(full)]
    return visit.page("problem.html", 409 if visit.request.method == "POST" else 500, problems=problems)


def _not_here(shared: Site) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        visit = Visit(site=shared, request=request, form={})
        status = error.status_code if isinstance(error, HTTPException) else 404
        return visit.page("not_here.html", status, why=error.detail if isinstance(error, HTTPException) else "")

    return answer
