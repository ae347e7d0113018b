"""Who may ask a server on this machine, and who may write: rules that the dashboard and the pages share.

A page of any website that the user has open could ask such a server. So a request must name this server (a foreign page
that reaches it through a name of its own, DNS rebinding, does not), must not come from a page of another server, and
needs the token of the printed address for anything that writes; for reading too, where other machines reach the server.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

READING = ("GET", "HEAD")
"""Methods of requests that write nothing."""
HEADERS = (("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"))
"""What every answer says to a browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rules of one server."""

    token: str
    """Who has it may write."""
    names: frozenset[str]
    """What requests may call this server, without the port; numeric addresses are allowed besides."""
    cookie: str
    """Name of the cookie that keeps the token; servers on other ports of one machine need others."""
    private: bool
    """Whether reading needs the token too, since other machines reach the server."""

    @classmethod
    def of(cls, token: str, host: str, address: tuple[str, int]) -> Self:
        """Return the rules of a server that was asked to listen at ``host``, and does so at ``address``."""
        return cls(
            token=token,
            names=frozenset({"localhost", host.lower(), socket.gethostname().lower()}),
            cookie=f"recipe-search-{address[1]}",
            private=not ipaddress.ip_address(address[0]).is_loopback,
        )

    def foreign(self, host: str, origin: str | None) -> str:
        """Return why a request is not meant for this server, or comes from another server's page; "" if neither."""
        if not self._is_ours(host):
            return f"this server is not called {host!r}"
        if origin is not None and not _is_of(origin, host):
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

    def needs_token(self, *, reading: bool) -> bool:
        """Return whether a request needs the token."""
        return self.private or not reading

    def is_token(self, given: str | None) -> bool:
        """Return whether a text is the token; takes the same time for every text that is not."""
        return given is not None and secrets.compare_digest(given.encode(), self.token.encode())

    def has_token(self, cookies: str) -> bool:
        """Return whether a request's cookies have the token."""
        try:
            kept = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return False
        return kept is not None and self.is_token(kept.value)

    @property
    def token_cookie(self) -> str:
        """The header that makes a browser keep the token."""
        return f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"


def _is_of(origin: str, host: str) -> bool:
    """Whether a page's origin is the server that is asked; a text that is no origin is of none."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def given_token(query: str) -> str | None:
    """Return the token in the query of an address, if it has one."""
    return dict(parse_qsl(query)).get("token")


def without_token(path: str, query: str) -> str:
    """Return an address within the server, without the token."""
    rest = [(name, text) for name, text in parse_qsl(query) if name != "token"]
    return "/" + quote(path.lstrip("/")) + ("?" + urlencode(rest) if rest else "")
