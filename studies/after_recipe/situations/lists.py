"""The lists of a suite of situations, as files: those of Dynamic Prompts, with a frame if somebody wrote one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Named, Place, Problems
from engine.files import file_kind, read_text
from studies.errors import StudyError

if TYPE_CHECKING:
    from studies.studyfile.word_lists import WordLists

FRAME = "#:"
"""What the line of a list begins with that gives its frame; to other tools the line is a note."""
SHIPPED = Path(__file__).with_name("suite")
"""The folder of the suite that ships."""


LONGEST = 10_000
"""The most letters of a line: a prompt of so many would be hundreds of chunks for the text encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationList:
    """One list, as its file has it."""

    aspect: str
    """The list's name as a wildcard has it: the path of its file within the folder, without the ending."""
    place: Place
    """Where problems of this list are said to be."""
    frame: str = ""
    """The prompt that its lines are put into, or "" if the list has none."""
    lines: tuple[str, ...]
    """The lines in the file's order, each once; none is empty or a note."""


def list_folder(source: Path) -> Path:
    """Return the folder whose lists the wildcards of a suite name: the suite's own, or that of its only list.

    Raises:
        StudyError: there is neither a folder nor a list.
    """
    kind = file_kind(source)
    if kind == "folder":
        return source
    if not kind:
        raise StudyError("there is no such folder or list", place=(source,), remedy="check the path")
    if kind != "file" or source.suffix != ".txt":
        remedy = "name a list (.txt, a line for each situation) or a folder of lists"
        raise StudyError("this is not a list of situations", place=(source,), remedy=remedy)
    return source.parent


def read_lists(source: Path, lists: WordLists, problems: Problems) -> tuple[SituationList, ...]:
    """Read the lists of a suite.

    Args:
        source: a folder, whose lists are all taken, those in folders within it too; or one list, a file.
        lists: those of `list_folder(source)`.
        problems: takes what cannot be read.

    Returns:
        The lists that have lines, in the order of their names.
    """
    folder = list_folder(source)
    names = sorted(lists.get_collection_names()) if folder == source else [source.stem]
    if folder == source:
        for path, reason in lists.unreadable.items():
            problems.add((path,), f"the lists of this file cannot be read ({reason})", "mend it, or take it away")
    return tuple(one for one in _read_each(folder, names, lists, problems) if one.lines)


def _read_each(folder: Path, names: Iterable[str], lists: WordLists, problems: Problems) -> Iterator[SituationList]:
    for name in names:
        path = folder / f"{name}.txt"
        place: Place = (path,) if path.is_file() else (folder, Named(name))
        with problems.collecting():
            lines = dict.fromkeys(str(line).strip() for line in lists.get_file(name).get_values())
            frame = _frame_of(path) if path.is_file() else ""
            _refuse_too_long([frame, *lines], place)
            yield SituationList(aspect=name, place=place, frame=frame, lines=tuple(filter(None, lines)))


def _refuse_too_long(texts: Iterable[str], place: Place) -> None:
    """Refuse a text that can be no prompt, such as a whole book in one line.

    Raises:
        StudyError: one is too long.
    """
    for text in texts:
        if len(text) > LONGEST:
            what = f"a line of {len(text):,} letters cannot be a prompt; {LONGEST:,} are the most"
            raise StudyError(what, place=place, seen=f"{text[:40]}...", remedy="write a line for each situation")


def _frame_of(path: Path) -> str:
    """The frame of a list, or "".

    Raises:
        StudyError: it has two.
    """
    lines = (line.strip() for line in read_text(path, StudyError).split("\n"))
    frames = [line.removeprefix(FRAME).strip() for line in lines if line.startswith(FRAME)]
    if len(frames) > 1:
        what = f"two lines begin with {FRAME}, and a list has one frame"
        raise StudyError(what, place=(path,), seen=frames[1], remedy="take one away, or make two lists")
    return frames[0] if frames else ""
