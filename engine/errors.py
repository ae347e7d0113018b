"""What can go wrong, as values: a problem has a place, what is wrong there, the value seen, and the way out.

Every error of the four packages carries its problems, so that a caller can move them to another place, collect them
and tell them all at once. How a problem reads is decided here alone; nobody takes a text apart again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast


class _Unseen(Enum):
    MISSING = "missing"


MISSING: Final = _Unseen.MISSING
"""Stands for a value that is not there, or that need not be shown."""


@dataclass(frozen=True, slots=True)
class Named:
    """A place that is neither a file nor a key, as people call it: an axis, a line of a text, an encoder."""

    name: str


Place = tuple[str | int | Path | Named, ...]
"""From the outside in: files and named things, then keys and list positions (from 0) within the last of them."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    place: Place = ()
    what: str
    """What is wrong, without the place and the value."""
    seen: object = MISSING
    """The value that is wrong, where `what` does not hold it."""
    remedy: str = ""
    """The way out; "" where `what` says it, or where there is none."""

    def __str__(self) -> str:
        """One line: `file.toml: key.path: what is wrong (value seen); way out`."""
        where = f"{place_text(self.place)}: " if self.place else ""
        seen = "" if self.seen is MISSING else f" ({value_text(self.seen)})"
        return f"{where}{self.what}{seen}" + (f"; {self.remedy}" if self.remedy else "")

    def under(self, *place: str | int | Path | Named) -> Self:
        """The same problem where its own place lies within another."""
        return replace(self, place=(*place, *self.place))

    def advised(self, remedy: str) -> Self:
        """The same problem, with a way out if it has none of its own."""
        return self if self.remedy else replace(self, remedy=remedy)


def place_text(place: Place) -> str:
    """Return `file.toml: prompts[2].seeds[1]`; list entries are counted from 1, as people do."""
    texts, keys = list[str](), ""
    for part in place:
        if isinstance(part, Path | Named):
            texts += [keys] * bool(keys) + [str(part) if isinstance(part, Path) else part.name]
            keys = ""
        elif isinstance(part, int):
            keys += f"[{part + 1}]"
        else:
            key = part if _PLAIN.fullmatch(part) else f'"{part}"'
            keys += f".{key}" if keys else key
    return ": ".join(texts + [keys] * bool(keys))


def value_text(value: object, limit: int = 60, depth: int = 8) -> str:
    """Return a value as TOML would write it, cut beyond `limit` characters and below `depth` tables and lists."""
    if depth == 0:
        return "…"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(value_text(entry, depth=depth - 1) for entry in cast("Sequence[object]", value)) + "]"
    elif isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        inside = ", ".join(f"{key} = {value_text(entry, depth=depth - 1)}" for key, entry in pairs)
        text = f"{{ {inside} }}" if inside else "{}"
    else:
        text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class ProblemError(Exception):
    """The root of all errors for people: one problem, or several that were found together."""

    problems: tuple[Problem, ...]
    """What is wrong, one at least."""

    def __init__(self, what: str, *, place: Place = (), seen: object = MISSING, remedy: str = "") -> None:
        """Make an error of one problem; see `Problem` for the parts."""
        problem = Problem(place=place, what=what, seen=seen, remedy=remedy)
        super().__init__(str(problem))
        self.problems = (problem,)

    @classmethod
    def of(cls, problems: Iterable[Problem], subject: Path | str = "") -> Self:
        """Return an error of one problem or more.

        Args:
            problems: at least one.
            subject: what they are of, which the message begins with. A file becomes a part of their places too; words
                such as "the search space" do not.
        """
        found = tuple(problems)
        error = cls(_message(found, subject))
        error.problems = tuple(problem.under(subject) for problem in found) if isinstance(subject, Path) else found
        return error

    def under(self, *place: str | int | Path | Named) -> Self:
        """The same error where the places of its problems lie within another.

        A subject in words ("the shot") is left out, since the new place says what the problems are of.
        """
        return type(self).of(problem.under(*place) for problem in self.problems)


def _message(problems: Sequence[Problem], subject: Path | str) -> str:
    """One problem in one line; more under a line that counts them."""
    lines = [str(problem) for problem in problems]
    if len(lines) == 1:
        return f"{subject}: {lines[0]}" if subject else lines[0]
    head = f"{subject}: {len(lines)} problems" if subject else f"{len(lines)} problems"
    return "\n".join([f"{head}:", *(f"  {line}" for line in lines)])


@dataclass(slots=True, kw_only=True)
class Problems:
    """Collects problems, so that all of them are reported together, each once."""

    found: list[Problem] = field(default_factory=list[Problem])

    def __len__(self) -> int:
        return len(self.found)

    def add(self, place: Place, what: str, remedy: str = "", *, seen: object = MISSING) -> None:
        """Add one; see `Problem` for the parts."""
        self.extend([Problem(place=place, what=what, seen=seen, remedy=remedy)])

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add some; those that are there already are not added again."""
        for problem in problems:
            if problem not in self.found:
                self.found.append(problem)

    def collecting(self, *place: str | int | Path | Named) -> _Collecting:
        """Return a block whose error is not raised: it ends the block, and its problems are added, at a place."""
        return _Collecting(self, place)

    def raise_as(self, kind: type[ProblemError], subject: Path | str = "") -> None:
        """Raise all as one error of a kind, or return where there are none; see `ProblemError.of` for the subject."""
        if self.found:
            raise kind.of(self.found, subject)


@dataclass(frozen=True, slots=True)
class _Collecting:
    problems: Problems
    place: Place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, ProblemError):
            return False
        self.problems.extend(problem.under(*self.place) for problem in error.problems)
        return True


def counted(number: int, one: str, several: str = "") -> str:
    """Return a count for people: `1 trial`, `0 trials`, `1,120 trials`.

    Args:
        number: how many.
        one: the word for a single one.
        several: for any other number; by default with an s.
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def counted_range(fewest: int, most: int, one: str) -> str:
    """Return a count that may turn out larger, for people: `280 to 1,120 pictures`; one number where they are equal."""
    start = f"{fewest:,} to " if fewest < most else ""
    return start + counted(most, one)


def first_line(error: Exception) -> str:
    """Return the first line of what another library says, or the name of its error where it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__


def names_any(error: Exception, parts: Iterable[str]) -> bool:
    """Return whether another library's error, which has no kind of its own, is one whose text has any of some parts."""
    return any(part in str(error) for part in parts)


class EngineError(ProblemError):
    """The root of all the engine's errors."""


class CheckpointError(EngineError):
    """A checkpoint cannot be opened, used, merged or written."""


class RecipeError(EngineError):
    """A recipe, its text or its file does not make sense."""


class RenderError(EngineError):
    """A picture cannot be made, or came out broken."""


def close_first(word: str, known: Iterable[str]) -> list[str]:
    """Return all known words, those that look most like another one first, upper or lower case, the others in order.

    Args:
        word: as it was written.
        known: what it can be.
    """
    by_fold = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), list(by_fold), n=3, cutoff=0.4)
    return [by_fold[name] for name in dict.fromkeys([*close, *by_fold])]


def did_you_mean(word: str, known: Iterable[str], also: Iterable[str] = (), otherwise: str = "") -> str:
    """The way out for an unknown word: the known one that it looks most like, upper or lower case, or all of them.

    Args:
        word: as it was written.
        known: what it can be.
        also: what it can be too, without being named among all.
        otherwise: what to say where none looks like it; by default, all that are known.
    """
    listed = tuple(known)
    by_fold = {name.casefold(): name for name in (*listed, *also)}
    close = get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_fold[close[0]]}?"
    return otherwise or f"known here: {', '.join(listed)}"
