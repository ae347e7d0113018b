"""What goes to the terminal: text alone, whatever is in the names, notes, prompts and files that it speaks of.

A study, a recipe or a picture from somebody else can hold characters that a terminal obeys: they move the cursor, set
the window's title, write over what stands there, or turn the direction of reading. All output of the command line goes
through here, and such characters come out as the escapes that JSON and TOML write for them.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

CONSOLE_LOG = logging.getLogger("studies.console")
"""Takes what a lasting console shows, for logs that want it; nothing of it reaches the terminal twice."""
CONSOLE_LOG.propagate = False
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}
"""Levels of texts by how they begin: ``warning: ...``."""
_OBEYED = re.compile(
    "\r(?!\n)"  # goes back to the beginning of the line
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters, but for tab and the end of a line
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators, and what turns the direction of reading
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible marks
    "\ud800-\udfff]"  # bytes of file names that are no text
)


def visible(text: str) -> str:
    """The text, with an escape for every character that a terminal obeys or does not show."""
    return _OBEYED.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class VisibleStream:
    """Standard output or error as everybody but rich writes to it; rich, which draws, gets what is behind."""

    def __init__(self, inner: TextIO) -> None:
        """Write to ``inner``; a character that its encoding lacks is escaped too."""
        self.rich_proxied_file = inner  # rich writes there directly: this is the name under which it looks
        reconfigure = getattr(inner, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        self.rich_proxied_file.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Everything else, as of the stream behind."""
        return getattr(self.rich_proxied_file, name)


@contextmanager
def visible_output() -> Generator[None]:
    """Let all that is written meanwhile, by whatever means, be text alone."""
    _open_closed_streams()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", VisibleStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_closed_streams() -> None:
    """Let nothing be read and written where whoever started this process closed a standard stream (`>&-`).

    Else the next file that is opened, such as a journal, would have its number, and get what libraries print.
    """
    for name, how in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # a file takes the lowest number that is free
            setattr(sys, name, open(os.devnull, how, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


class _PlainConsole(Console):
    """A console that takes texts as they are: no markup, no emoji codes, and no character that a terminal obeys."""

    def render_str(self, text: str, **how: Any) -> Text:
        """What a text becomes, alone or in a table."""
        return super().render_str(visible(text), **how)


def console() -> Console:
    """A console for results, on standard output."""
    return _PlainConsole(soft_wrap=True, markup=False, emoji=False, highlight=False)


def lasting_console() -> Console:
    """A console for long work, which goes on when nobody reads its output any more (`| head`)."""
    return _LastingConsole(soft_wrap=True, markup=False, emoji=False, highlight=False)


class _LastingConsole(_PlainConsole):
    def print(self, *objects: Any, **how: Any) -> None:
        """Print, and hand the text to `CONSOLE_LOG`."""
        super().print(*objects, **how)
        if CONSOLE_LOG.isEnabledFor(logging.INFO):
            text = " ".join(one if isinstance(one, str) else _drawn(one) for one in objects)
            CONSOLE_LOG.log(_LEVELS.get(text.partition(":")[0], logging.INFO), "%s", text)

    def on_broken_pipe(self) -> None:
        """Write nothing more; the work that writes here goes on."""
        self.quiet = True
        let_output_go()


def print_unlogged(console: Console, text: str) -> None:
    """Print a line on any console that a log has already, in other words."""
    Console.print(console, visible(text), highlight=False, markup=False)


def _drawn(drawing: Any) -> str:
    """A table as text."""
    drawn = _PlainConsole(file=io.StringIO(), width=200, color_system=None)
    drawn.print(drawing)
    return drawn.file.getvalue().rstrip()  # pyright: ignore[reportAttributeAccessIssue] - the file above


def let_output_go() -> None:
    """Send standard output, which nobody reads any more, nowhere, so that writing to it is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
