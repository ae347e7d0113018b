"""Passwords in addresses, which no message and no record may show."""

from __future__ import annotations

import re

PASSWORDS = ("password", "passwd", "sslpassword")
"""Names of what an address can hold after its question mark that is secret."""
HIDDEN = "***"
"""What is shown in the place of a password."""
_USER = re.compile(r"(\w://[^/?#@:\s]*):[^\s\"']*@")
_QUERY = re.compile(rf"([?&](?:{'|'.join(PASSWORDS)})=)[^&#\s]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """Return a text with the passwords of all addresses in it hidden."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1:{HIDDEN}@", text))
