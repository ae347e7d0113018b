"""The server of a study's dashboard: optuna-dashboard behind our guard, on this machine unless one says otherwise."""

from __future__ import annotations

import errno
import secrets
import socket
import socketserver
import warnings
from contextlib import suppress
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import optuna
from optuna_dashboard import wsgi

from engine.errors import Named
from studies.errors import StudyError
from studies.store.access import Access
from studies.store.dashboard.guard import Guard
from studies.store.storage import StudyStore


def dashboard_server(store: StudyStore, *, host: str, port: int) -> DashboardServer:
    """A server of the dashboard, behind a guard (`studies.store.dashboard.guard`); it listens, and answers in `serve`.

    Args:
        store: of the study.
        host: the address to listen at; one that other machines reach makes reading need the token too.
        port: 0 takes any that is free.

    Raises:
        StudyError: the port is in use or not allowed, or the host is empty or no address of this machine.
    """
    refuse_every_address(host)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        app = wsgi(store.storage, artifact_store=store.artifacts)
    try:
        server = DashboardServer(host, port)
    except OSError as error:
        raise cannot_listen(error, host, port) from error
    access = Access.of(server.token, host, (str(server.server_address[0]), server.server_port))
    unwritable = (
        "" if store.backend.is_writable() else f"{store.backend.place} cannot be written, so no note can be kept"
    )
    server.set_app(Guard(inner=app, access=access, unwritable=unwritable))
    server.page = f"/dashboard/studies/{store.number}"
    return server


class DashboardServer(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own, so that a browser's idle connection holds up no other.

    Attributes:
        token: who has it may write notes.
        page: the address of the study's page, within the server.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: it cannot.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.token = secrets.token_urlsafe(24)
        self.page = "/"
        self._host = host
        super().__init__((host, port), _QuietHandler)

    def server_bind(self) -> None:
        """Bind, without asking a name server what this machine is called: that can take half a minute."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self.server_address[1]
        self.setup_environ()

    @property
    def address(self) -> str:
        """Address of the study's page, with the token."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.server_port}{self.page}?token={self.token}"

    def serve(self) -> None:
        """Answer until Ctrl+C, or until `shutdown` is called from another thread."""
        with self, suppress(KeyboardInterrupt):
            self.serve_forever()


class _QuietHandler(WSGIRequestHandler):
    """Writes no line for each request: it would show the token."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def refuse_every_address(host: str) -> None:
    """Refuse "", which would listen at every address of this machine.

    Raises:
        StudyError: the host is empty.
    """
    if not host.strip():
        raise StudyError("is empty", place=(Named("--host"),), remedy="use 127.0.0.1; 0.0.0.0 is every address")


def cannot_listen(error: OSError, host: str, port: int) -> StudyError:
    """Return the error, for people, of an address that cannot be listened at."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return StudyError("is no address of this machine", place=(Named(f"--host {host}"),), remedy="use 127.0.0.1")
    what = {errno.EADDRINUSE: "is in use", errno.EACCES: "is not allowed to this user"}.get(
        error.errno or 0, f"cannot be used ({error.strerror})"
    )
    return StudyError(what, place=(Named(f"--port {port}"),), remedy="name another one, such as --port 8081")
