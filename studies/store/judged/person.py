"""Who sits at the machine, for pins, picks and rejections."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Return the login name; in a container without names, the number of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # what Python raises for it has changed
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "user"
