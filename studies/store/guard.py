"""What stands between a browser and the dashboard: who may ask, who may write, and what nobody may write.

The dashboard itself checks nothing: a page of any website that the user has open could delete the study through it.
Here a request must name this server (a foreign page that reaches it through a name of its own, DNS rebinding, does
not), must not come from a page of another server, and needs the token of the printed address for anything that writes.
Notes can be written; studies, trials and pictures cannot be made, changed or deleted, with or without a token.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READING = ("GET", "HEAD")
"""Methods of requests that write nothing."""
NOTE = re.compile(r"/api/studies/\d+(/\d+)?/note/*")
"""Addresses that may be written to: the note of a study, and that of a trial."""
UNINVITED = "open the dashboard by the address that recipe-search printed, with its token"
"""What is said to a request that lacks the token."""
SANDBOX = "sandbox; default-src 'none'"
"""Content security policy of kept pictures: one that is a web page in truth runs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A WSGI application around the dashboard's."""

    inner: WSGIApplication
    token: str
    """Who has it may write notes."""
    names: frozenset[str]
    """What requests may call this server, without the port; numeric addresses are allowed besides."""
    cookie: str
    """Name of the cookie that keeps the token; servers on other ports of one machine need others."""
    private: bool
    """Whether reading needs the token too, since other machines reach the server."""
    unwritable: str = ""
    """Why no note can be kept; "" where one can."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let the dashboard answer it."""
        reading = environ["REQUEST_METHOD"] in READING
        given = dict(parse_qsl(environ.get("QUERY_STRING", ""))).get("token")
        if reason := self._foreign(environ):
            return _refused(start_response, reason)
        if reading and given is not None and secrets.compare_digest(given.encode(), self.token.encode()):
            return self._let_in(environ, start_response)
        if not (reading and not self.private) and not self._has_token(environ):
            return _refused(
                start_response, "open the dashboard by the address that recipe-search printed, with its token"
            )
        if not reading and (reason := self._unwritable(environ)):
            return _refused(start_response, reason)
        environ.setdefault("HTTP_ACCEPT_ENCODING", "identity")  # the dashboard fails on requests without it
        return self.inner(environ, _with_headers(start_response, environ["PATH_INFO"]))

    def _foreign(self, environ: WSGIEnvironment) -> str:
        """Why a request is not meant for this server, or comes from another server's page; "" if neither."""
        host = environ.get("HTTP_HOST", "")
        if not self._is_ours(host):
            return f"this server is not called {host!r}"
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and urlsplit(origin).netloc != host:
            return f"a page of {origin!r} may not ask this server"
        return ""

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return True  # a number cannot be made to mean another machine, as a name can

    def _has_token(self, environ: WSGIEnvironment) -> bool:
        try:
            kept = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self.cookie)
        except CookieError:
            return False
        return kept is not None and secrets.compare_digest(kept.value.encode(), self.token.encode())

    def _unwritable(self, environ: WSGIEnvironment) -> str:
        """Why nothing is written at an address; "" where it is a note and notes can be kept."""
        if environ["REQUEST_METHOD"] != "PUT" or not NOTE.fullmatch(environ["PATH_INFO"]):
            return "only notes are written here: recipe-search keeps studies, trials and pictures as they are"
        return self.unwritable

    def _let_in(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Keep the token in a cookie, and go on to the same address without it."""
        rest = [(name, text) for name, text in parse_qsl(environ["QUERY_STRING"]) if name != "token"]
        place = "/" + quote(environ["PATH_INFO"].lstrip("/")) + ("?" + urlencode(rest) if rest else "")
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [("Location", place), ("Set-Cookie", cookie), ("Content-Length", "0"), *_HEADERS]
        start_response("303 See Other", headers)
        return [b""]


_HEADERS = (("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"))


def _refused(start_response: StartResponse, reason: str) -> Iterable[bytes]:
    """A refusal, as the dashboard's pages show one."""
    body = json.dumps({"reason": reason}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *_HEADERS]
    start_response("403 Forbidden", headers)
    return [body]


def _with_headers(start_response: StartResponse, path: str) -> StartResponse:
    """Add what every answer says to a browser; other servers' pages may not read pictures."""

    def start(status: str, headers: Sequence[tuple[str, str]], *error: object) -> Callable[[bytes], object]:
        kept = [(name, text) for name, text in headers if name.lower() != "access-control-allow-origin"]
        sandbox = [("Content-Security-Policy", SANDBOX)] if path.startswith("/artifacts/") else []
        return start_response(status, [*kept, *sandbox, *_HEADERS], *error)  # pyright: ignore[reportArgumentType]

    return start
