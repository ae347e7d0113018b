"""What every page's function is given: the request, the study as it is now, the reader's language, the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from studies.pages.background.finders import FinderList
from studies.pages.background.jobs import JobList
from studies.pages.background.judging import JudgingList
from studies.pages.background.refusals import RefusalFinder
from studies.pages.languages import COOKIE, language_for
from studies.pages.library import Library
from studies.pages.reading.best import ModelBest, model_best
from studies.pages.reading.importance import WhatMattered, what_mattered
from studies.pages.reading.reader import StudyReader
from studies.pages.reading.snapshot import Snapshot
from studies.pages.templating import template
from studies.store.access import Access

LONGEST_FORM = 1 << 16
"""The most bytes of a form that is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all requests share."""

    library: Library
    access: Access
    judging: JudgingList = field(default_factory=JudgingList)
    jobs: JobList = field(default_factory=JobList)
    refusals: RefusalFinder = field(default_factory=RefusalFinder)
    best: FinderList[ModelBest] = field(default_factory=lambda: FinderList(model_best))
    mattered: FinderList[WhatMattered] = field(default_factory=lambda: FinderList(what_mattered))


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request."""

    site: Site
    request: Request
    form: Mapping[str, str]
    """What was sent with it; empty for one that only reads."""

    @cached_property
    def language(self) -> str:
        """The language of the answer."""
        request = self.request
        return language_for(
            request.query_params.get("lang"), request.cookies.get(COOKIE), request.headers.get("accept-language", "")
        )

    @cached_property
    def name(self) -> str:
        """The study's name in the address."""
        return str(self.request.path_params["study"])

    @cached_property
    def reader(self) -> StudyReader:
        """The study of the address; raises the answer 404 where there is none."""
        reader = self.site.library.studies().get(self.name)
        if reader is None:
            raise HTTPException(404, "there is no such study here")
        return reader

    @cached_property
    def study(self) -> Snapshot:
        """The study as it is now."""
        return self.reader.read()

    @cached_property
    def can_write(self) -> bool:
        """Whether the reader may write."""
        return self.site.access.has_token(self.request.headers.get("cookie", ""))

    def asked(self, key: str, default: str = "") -> str:
        """Return a value of the address's query."""
        return self.request.query_params.get(key, default)

    def number(self, key: str, default: int, least: int = 0, most: int = 10**9) -> int:
        """Return a number of the query, within limits; the default where it is none."""
        text = self.asked(key)
        return min(max(int(text), least), most) if text.isascii() and text.isdigit() and len(text) < 10 else default

    def address(self, *parts: str | int, **query: str | int) -> str:
        """Return an address of the study: `address("trials", 17)`."""
        place = "/".join(["/s", self.name, *map(str, parts)])
        return place + ("?" + urlencode(query) if query else "")

    def here(self, **changed: str | int | None) -> str:
        """Return this page's address with other values in its query; None takes one away."""
        query: dict[str, Any] = {**self.request.query_params, **changed}
        kept = {key: value for key, value in query.items() if value is not None}
        return self.request.url.path + ("?" + urlencode(kept) if kept else "")

    def page(self, name: str, status: int = 200, /, **values: object) -> Response:
        """Return a template as the answer."""
        text = template(self.language, name).render(visit=self, **values)
        answer = HTMLResponse(text, status_code=status)
        if self.asked("lang") == self.language:
            answer.set_cookie(COOKIE, self.language, max_age=365 * 86400, samesite="strict", httponly=True)
        return answer

    def go(self, *parts: str | int, **query: str | int) -> Response:
        """Return the answer to a form that was sent: on to a page of the study."""
        return RedirectResponse(self.address(*parts, **query), status_code=303)


View = Callable[[Visit], Response]
"""A page: from a visit to the answer. It runs in a thread, so it may read files."""


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent, the last of each name; raises the answer 413 where it is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise HTTPException(413, "this form is too long")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {key: values[-1] for key, values in fields.items()}
