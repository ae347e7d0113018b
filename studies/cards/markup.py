"""Texts of people and of other tools within Markdown: nothing of them is obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterator


def markdown_escaped(text: str) -> str:
    """Return a text with everything escaped that Markdown or HTML would obey, on one line."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", line)


def fenced(text: str) -> Iterator[str]:
    """Return a block of code, line by line, whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}text", *text.split("\n"), fence)


def link_address(file: str) -> str:
    """Return a file name as it stands between the brackets of a link."""
    return file.replace("\\", "%5C").replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A")
