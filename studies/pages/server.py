"""The server of the pages: uvicorn, on this machine unless one says otherwise."""

from __future__ import annotations

import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

import uvicorn

from engine.errors import ProblemError
from engine.files import read_text
from studies.errors import StudyError
from studies.pages.guard import Guard
from studies.pages.library import Library
from studies.pages.site import site
from studies.store.access import Access
from studies.store.dashboard.dashboard_server import cannot_listen, refuse_every_address

SHORTEST_TOKEN = 16
"""The fewest characters of a token of one's own."""
MOST_AT_ONCE = 256
"""The most requests and open connections that are answered; further ones are told to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsOffer:
    """That there are metrics at ``/metrics``."""

    token: str = ""
    """Who has it may read them, and nothing else; "": nobody but those who may read the pages."""

    @classmethod
    def with_token_of(cls, file: Path) -> Self:
        """Read the token from a file, which monitoring reads too.

        Raises:
            StudyError: the file cannot be read, or is no token: one line of at least 16 characters.
        """
        token = read_text(file, StudyError).strip()
        if len(token) < SHORTEST_TOKEN or not token.isascii() or any(map(str.isspace, token)):
            what = f"is no token: it must be one word of at least {SHORTEST_TOKEN} plain characters"
            raise StudyError(what, place=(file,), remedy="make one with: openssl rand -hex 24")
        return cls(token=token)


class PageServer:
    """Answers in `serve`, or in a thread of its own.

    Attributes:
        library: the studies.
        token: who has it may write.
        address: of the first page, with the token.
    """

    def __init__(
        self, library: Library, *, host: str = "127.0.0.1", port: int = 8090, metrics: MetricsOffer | None = None
    ) -> None:
        """Listen.

        Args:
            library: the studies to show.
            host: the address to listen at; one that other machines reach makes reading need the token too.
            port: 0 takes any that is free.
            metrics: whether there are metrics, and who may read them; None: there are none.

        Raises:
            StudyError: the port is in use or not allowed, or the host is empty or no address of this machine.
        """
        refuse_every_address(host)
        self.library = library
        self.token = secrets.token_urlsafe(24)
        self._socket = _listening(host, port)
        bound: tuple[str, int] = self._socket.getsockname()[:2]
        self.port = bound[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self.port}/?token={self.token}"
        access = Access.of(self.token, host, bound)
        config = uvicorn.Config(
            Guard(site(library, access, metrics=metrics is not None), access, metrics.token if metrics else ""),
            log_level="warning",
            access_log=False,  # its lines would show the token
            server_header=False,
            limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=1,
        )
        self._server = _PatientServer(config)

    def serve(self) -> None:
        """Answer until Ctrl+C."""
        self._read_ahead()
        with suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def start(self) -> threading.Thread:
        """Answer in a thread, until `stop`."""
        self._read_ahead()
        thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Let the thread end."""
        self._server.should_exit = True

    def _read_ahead(self) -> None:
        """Read what the first page shows beside the answers, for a large journal takes seconds the first time."""

        def read() -> None:
            readers = self.library.studies().values()
            for reader in readers:
                with suppress(ProblemError):  # whoever asks for its page is told
                    reader.read() if len(readers) == 1 else reader.glance()

        threading.Thread(target=read, daemon=True).start()


class _PatientServer(uvicorn.Server):
    """Ends once, in a second or so: a further Ctrl+C would break into the end, and print a traceback."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the first signal alone."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def _listening(host: str, port: int) -> socket.socket:
    # With the protocol named, asyncio sends small answers at once; else each would wait 40 ms for the one before.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise cannot_listen(error, host, port) from error
    return listener
