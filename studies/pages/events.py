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
        try:
            yield "retry: 5000\n\n"
            seen, waited = watch.changes, 0.0
            while not self._ending.is_set() and not await request.is_disconnected():
                await watch.look()
                if watch.changes != seen:
                    seen, waited = watch.changes, 0.0
                    yield f"event: changed\ndata: {seen}\n\n"
                elif waited >= ALIVE_S:
                    waited = 0.0
                    yield ": still here\n\n"
                await asyncio.sleep(LOOK_S)
                waited += LOOK_S
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
        self.changes = 0
        self._signature: object = None
        self._looked = -LOOK_S

    async def look(self) -> None:
        """Look, unless another page did a moment ago."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < LOOK_S / 2:
            return
        self._looked = now
        signature = await run_in_threadpool(self._now)
        if self._signature is not None and signature != self._signature:
            self.changes += 1
        self._signature = signature

    def _now(self) -> object:
        try:
            return self.reader.signature()
        except ProblemError as error:
            return str(error)
