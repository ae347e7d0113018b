"""Command lines for people to paste: quoted for POSIX shells, for cmd and for PowerShell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from decimal import Decimal

_PLAIN = re.compile(r"[A-Za-z0-9_.:/\\=+-]+")
_POSIX_MEANS = re.compile(r"[$`\"\\!\n]")
"""What double quotes do not protect in POSIX shells."""
_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
"""PowerShell takes each of these for a single quote."""
_POWERSHELL_MEANS = re.compile('[$`"\u201c\u201d\u201e]')
"""What double quotes do not protect in PowerShell."""


def command_lines(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command as lines to paste, each behind the shells that take it.

    Args:
        words: the program and its arguments, as the program is to see them.

    Returns:
        One line where all shells take the same text, else two or three.
    """
    posix, cmd, powershell = (" ".join(map(quote, words)) for quote in (_for_posix, _for_cmd, _for_powershell))
    if posix == cmd == powershell:
        return (posix,)
    others = {"Windows": cmd} if cmd == powershell else {"Windows, cmd": cmd, "Windows, PowerShell": powershell}
    return tuple(f"{shells}: {line}" for shells, line in {"Linux, macOS": posix, **others}.items())


def plain_number(value: float) -> str:
    """Return a number without an exponent, which some programs take for an option: 0.35, 1, -0.2."""
    text = f"{Decimal(repr(float(value) + 0.0)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _for_posix(word: str) -> str:
    """A word in double quotes where they are enough, as on Windows; so most commands are one text everywhere."""
    if _POSIX_MEANS.search(word) or not word:
        return shlex.quote(word)
    return word if _PLAIN.fullmatch(word) else f'"{word}"'


def _for_cmd(word: str) -> str:
    """A word in double quotes, which cmd and the programs themselves read; a name in Windows has none in it."""
    return word if _PLAIN.fullmatch(word) else f'"{_doubled_end(word)}"'


def _for_powershell(word: str) -> str:
    """The same where double quotes do; else single quotes, in which nothing has a meaning but they themselves."""
    if not _POWERSHELL_MEANS.search(word):
        return _for_cmd(word)
    doubled = re.sub(f"([{_POWERSHELL_QUOTES}])", r"\1\1", word)
    return f"'{doubled}'"


def _doubled_end(word: str) -> str:
    """A word whose last backslashes do not escape the quote behind them."""
    return word + "\\" * (len(word) - len(word.rstrip("\\")))
