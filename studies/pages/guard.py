"""What stands between a browser and the pages: the rules of `studies.store.access`, and what every answer says."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studies.store.access import HEADERS, READING, Access, given_token, without_token

POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy: nothing from elsewhere, no script and no style within a page."""
REFERRERS = "same-origin"
"""Referrer policy: with none at all, browsers would send forms with the origin "null", which is refused as foreign."""
METRICS = "/metrics"
"""Where the metrics are, as monitoring expects them."""
UNINVITED = "open the pages by the address that recipe-search printed, with its token"
"""What is said to a request that lacks the token."""


class Guard:
    """An ASGI application around the pages'."""

    def __init__(self, inner: ASGIApp, access: Access, metrics_token: str = "") -> None:
        """``access`` has the rules; who has the ``metrics_token`` may read the metrics, and nothing else."""
        self.inner = inner
        self.access = access
        self._metrics_token = metrics_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the pages answer it."""
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
            return
        answer = self._refusal(scope) if scope["type"] == "http" else PlainTextResponse("no", status_code=403)
        await (answer or self.inner)(scope, receive, _with_headers(send, scope.get("path", "")))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that the pages must not see; None where they may."""
        access, headers, query = self.access, Headers(scope=scope), scope["query_string"].decode("latin-1")
        reading = scope["method"] in READING
        if reason := access.foreign(headers.get("host", ""), headers.get("origin")):
            return PlainTextResponse(reason, status_code=403)
        if reading and access.is_token(given_token(query)):
            place = without_token(scope["path"], query)
            return RedirectResponse(place, status_code=303, headers={"Set-Cookie": access.token_cookie})
        if reading and scope["path"] == METRICS and self._may_read_metrics(headers.get("authorization", "")):
            return None
        if access.needs_token(reading=reading) and not access.has_token(headers.get("cookie", "")):
            return PlainTextResponse(UNINVITED, status_code=403)
        return None

    def _may_read_metrics(self, authorization: str) -> bool:
        """Whether a request brings a token as monitoring does: in a header of its own, without a browser's cookie."""
        scheme, _, given = authorization.partition(" ")
        known = [self.access.token, *([self._metrics_token] if self._metrics_token else [])]
        same = [secrets.compare_digest(given.strip().encode(), token.encode()) for token in known]
        return scheme.lower() == "bearer" and any(same)


def _with_headers(send: Send, path: str) -> Send:
    # Scripts and styles may be kept, if the server is asked whether they changed; pages may not.
    keeping = "no-cache" if path.startswith("/static/") else "no-store"

    async def start(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", POLICY)
            headers.setdefault("Cache-Control", keeping)
            for name, text in HEADERS:
                headers[name] = text
            headers["Referrer-Policy"] = REFERRERS
        await send(message)

    return start
