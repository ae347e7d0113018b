"""Server-sent events: a page is told when its study changed, and asks for itself again.

One task looks at each study that is watched, however many pages watch it, by the times and sizes of its files.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine.errors import ProblemError
from studies.pages.library import Library
from studies.pages.reading.reader import StudyReader

LOOK_S = 1.0
"""Seconds between two looks at a study."""
GAP_S = 3.0
"""Seconds between two events that a page is sent; what changes in between is sent after them, never dropped."""
ALIVE_S = 20.0
"""Seconds after which a line without meaning is sent, so that nothing in between closes the connection."""
MOST_PAGES = 64
"""The most pages that are told of changes; further ones show what is there when they are loaded."""


class EventStream:
    """All pages that wait for changes."""

    def __init__(self, library: Library) -> None:
        """``library`` has the studies."""
        self._library = library
        self._pages = 0
        self._watched: dict[str, _Watch] = {}
        self._ending = asyncio.Event()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        """End all streams when the server ends."""
        self._ending = asyncio.Event()
        yield
        self._ending.set()

    async def answer(self, request: Request) -> Response:
        """Answer with a stream of events."""
        name = str(request.path_params["study"])
        reader = (await run_in_threadpool(self._library.studies)).get(name)
        if reader is None:
            raise HTTPException(404, "there is no such study here")
        if self._pages >= MOST_PAGES:
            raise HTTPException(503, "too many pages wait for changes")
        return StreamingResponse(self._lines(name, reader, request), media_type="text/event-stream")

    async def _lines(self, name: str, reader: StudyReader, request: Request) -> AsyncIterator[str]:
        self._pages += 1
        watch = self._watched.setdefault(name, _Watch(reader))
        watch.pages += 1
        # A browser that connects again says which event came last; a new page says what it shows.
        seen = request.headers.get("last-event-id") or request.query_params.get("seen")
        quiet = GAP_S
        try:
            yield "retry: 5000\n\n"
            while not self._ending.is_set() and not await request.is_disconnected():
                mark = await watch.look()
                seen = seen or mark
                if mark != seen and quiet >= GAP_S:
                    seen, quiet = mark, 0.0
                    yield f"id: {mark}\nevent: changed\ndata: {mark}\n\n"
                elif quiet >= ALIVE_S:
                    quiet = GAP_S
                    yield ": still here\n\n"
                await asyncio.sleep(LOOK_S)
                quiet += LOOK_S
        finally:
            self._pages -= 1
            watch.pages -= 1
            if not watch.pages:
                self._watched.pop(name, None)


class _Watch:
    """Looks at one study for all its pages."""

    def __init__(self, reader: StudyReader) -> None:
        self.reader = reader
        self.pages = 0
        self._mark = ""
        self._looked = -LOOK_S

    async def look(self) -> str:
        """Return the study's mark: looked up, unless another page did a moment ago."""
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_S / 2:
            self._looked = now
            self._mark = await run_in_threadpool(self._now)
        return self._mark

    def _now(self) -> str:
        try:
            return self.reader.mark()
        except ProblemError:
            return "unreadable"
