"""A web server on this machine that serves a folder, and behaves badly where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, whole ones only; some paths are served otherwise.

    ``/cut/NAME`` promises a file and sends half of it, ``/halves/NAME`` sends the range that it is asked for but never
    more than half of the file, ``/moved/NAME`` sends elsewhere.
    """

    def do_GET(self) -> None:
        cast("Server", self.server).asked.append((self.path, dict(self.headers)))
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
        elif self.path.startswith(("/cut/", "/halves/")):
            self._send_half((Path(self.directory) / self.path.split("/")[2]).read_bytes())
        else:
            super().do_GET()

    def _send_half(self, content: bytes) -> None:
        ranged = self.path.startswith("/halves/") and "Range" in self.headers
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if ranged else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + len(content) // 2])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's word
        """Quiet."""


class Server(ThreadingHTTPServer):
    """Remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(folder: Path) -> Generator[Server]:
    """A server of a folder."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
