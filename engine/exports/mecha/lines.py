"""The lines of a .mecha file: each is written once, and later ones name it by its number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

VERSION = "version 0.1.0"
"""The first line; nothing may stand before it."""
SHIFT_FILE = "-shifts.safetensors"
"""What the name of a file of shifts ends with; of all keys it has the one that Adjust adds to."""


def quoted(text: str) -> str:
    """Return a string as sd-mecha reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Instructions:
    """Instructions in the order in which they are made; equal ones are one."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.lines = list(lines)

    def add(self, line: str) -> str:
        """Return what names the result of an instruction."""
        if line not in self.lines:
            self.lines.append(line)
        return f"&{self.lines.index(line)}"

    def model(self, file: str, config: str, space: str) -> str:
        """Open a model, in the merge space ``weight`` or ``delta``."""
        return self.add(f'model {quoted(file)} model_config="{config}" merge_space="{space}"')

    def literal(self, values: Mapping[str, str], config: str) -> str:
        """Give keys of a config their numbers."""
        numbers = self.add("dict " + " ".join(f"{key}={value}" for key, value in values.items()))
        return self.add(f'literal {numbers} model_config="{config}" merge_space=null')

    def merge(self, method: str, *arguments: str) -> str:
        """Call a merge method."""
        return self.add(" ".join((f'merge "{method}"', *arguments)))

    @property
    def size(self) -> int:
        """Characters in all."""
        return sum(map(len, self.lines))
