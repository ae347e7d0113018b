"""Passwords and tokens, taken out of texts that are kept or sent."""

from __future__ import annotations

import os
import re

HIDDEN = "***"
"""What stands where a secret was."""
_IN_ADDRESS = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^\s/@:]*:)\S*@")
"""The password in an address such as ``postgresql://user:password@host``; up to the last @, for it may hold one."""
_NAMED = re.compile(
    r"(?i)(?P<before>(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key)[\"']?\s*[=:]\s*[\"']?)"
    r"[^\s\"'&;,]+"
)
"""A secret after its name, as in ``password=...``."""
_VARIABLE = re.compile(r"(?i)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY)")
"""What the names of environment variables hold whose values are secrets."""
FEWEST = 6
"""The fewest characters of such a value that is looked for: a shorter one would be found in other words."""


def without_secrets(text: str) -> str:
    """Return a text without passwords in addresses, secrets after their names, and values of secret variables."""
    for name, value in os.environ.items():
        if len(value) >= FEWEST and _VARIABLE.search(name) and value in text and not os.path.isabs(value):  # noqa: PTH117 - a text
            text = text.replace(value, HIDDEN)
    text = _IN_ADDRESS.sub(rf"\g<before>{HIDDEN}@", text)
    return _NAMED.sub(rf"\g<before>{HIDDEN}", text)
