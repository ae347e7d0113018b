"""What stands between a browser and the dashboard: who may ask, who may write, and what nobody may write.

The dashboard itself checks nothing: a page of any website that the user has open could delete the study through it. The
rules of `studies.store.access` keep others out. Notes can be written; studies, trials and pictures cannot be made,
changed or deleted, with or without a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.store.access import HEADERS, READING, Access, given_token, without_token

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

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
    access: Access
    unwritable: str = ""
    """Why no note can be kept; "" where one can."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let the dashboard answer it."""
        access, reading = self.access, environ["REQUEST_METHOD"] in READING
        query = environ.get("QUERY_STRING", "")
        if reason := access.foreign(environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")):
            return _refused(start_response, reason)
        if reading and access.is_token(given_token(query)):
            place = without_token(environ["PATH_INFO"], query)
            headers = [("Location", place), ("Set-Cookie", access.token_cookie), ("Content-Length", "0"), *HEADERS]
            start_response("303 See Other", headers)
            return [b""]
        if access.needs_token(reading=reading) and not access.has_token(environ.get("HTTP_COOKIE", "")):
            return _refused(start_response, UNINVITED)
        if not reading and (reason := self._unwritable(environ)):
            return _refused(start_response, reason)
        environ.setdefault("HTTP_ACCEPT_ENCODING", "identity")  # the dashboard fails on requests without it
        return self.inner(environ, _with_headers(start_response, environ["PATH_INFO"]))

    def _unwritable(self, environ: WSGIEnvironment) -> str:
        """Why nothing is written at an address; "" where it is a note and notes can be kept."""
        if environ["REQUEST_METHOD"] != "PUT" or not NOTE.fullmatch(environ["PATH_INFO"]):
            return "only notes are written here: recipe-search keeps studies, trials and pictures as they are"
        return self.unwritable


def _refused(start_response: StartResponse, reason: str) -> Iterable[bytes]:
    """A refusal, as the dashboard's pages show one."""
    body = json.dumps({"reason": reason}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *HEADERS]
    start_response("403 Forbidden", headers)
    return [body]


def _with_headers(start_response: StartResponse, path: str) -> StartResponse:
    """Add what every answer says to a browser; other servers' pages may not read pictures."""

    def start(status: str, headers: Sequence[tuple[str, str]], *error: object) -> Callable[[bytes], object]:
        kept = [(name, text) for name, text in headers if name.lower() != "access-control-allow-origin"]
        sandbox = [("Content-Security-Policy", SANDBOX)] if path.startswith("/artifacts/") else []
        return start_response(status, [*kept, *sandbox, *HEADERS], *error)  # pyright: ignore[reportArgumentType]

    return start
