"""What is wrong with the lists of a suite: wildcards without a list, circles, texts that nobody can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Named, Place, Problem, Problems
from studies.after_recipe.situations.frames import SLOT, check_frame, framed
from studies.errors import StudyError
from studies.studyfile.wildcard_circles import ANY, circle_text, circles_in, leading_to, named_by, wildcards_in
from studies.studyfile.wildcards import REMEDY, expanded

if TYPE_CHECKING:
    from studies.after_recipe.situations.lists import SituationList
    from studies.studyfile.word_lists import WordLists

_ODD = re.compile(r"[#$%{}]")
"""Letters that are no plain text to Dynamic Prompts. A line with them is all right until another text draws it."""


def check_lists(frames: Mapping[SituationList, str], lists: WordLists, folder: Path, problems: Problems) -> None:
    """Add what is wrong with lists: with their frames, their lines, and all lines of all lists that these name.

    Args:
        frames: the lists of a suite, each with the prompt of its lines.
        lists: all lists of the folder.
        folder: theirs.
        problems: takes what is wrong.
    """
    named = named_by([*(one.aspect for one in frames), *wildcards_in("\n".join(frames.values()))], lists)
    circles = circles_in(named)
    check = _Check(lists=lists, folder=folder, problems=problems, endless=frozenset(leading_to(circles, named)))
    for circle in circles:
        what = f"this list names itself: {circle_text(circle)}"
        problems.add(check.place(circle[0]), what, "take one of these wildcards out of its list")
    for one, frame in frames.items():
        check_frame(frame, one.place, problems)
        for text in (frame.replace(SLOT, ""), *one.lines):
            check.text(text, one.place)
    check.named()


def check_study_frame(frame: str, lists: WordLists, folder: Path, problems: Problems) -> None:
    """Add what is wrong with the study's frame, where it stands and not with every list that it goes around.

    Args:
        frame: the study's; "": none.
        lists: all lists of the folder.
        folder: theirs.
        problems: takes what is wrong.
    """
    place, slotted = ("situations", "frame"), framed(ANY, frame)
    check_frame(slotted, place, problems)
    _Check(lists=lists, folder=folder, problems=problems).text(slotted.replace(SLOT, ""), place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """Looks at texts, and remembers which lists they name.

    Attributes:
        endless: lists that lead into a circle: their choices have no end.
    """

    lists: WordLists
    folder: Path
    problems: Problems
    endless: frozenset[str] = frozenset()
    names: dict[str, None] = field(default_factory=dict[str, None])

    def text(self, text: str, place: Place) -> None:
        """Look at a frame or a line."""
        if self._can_be_drawn(text, place):
            with self.problems.collecting(*place):
                expanded(text, folder=self.folder, seed=0, shot_seed=0, lost=Problems())

    def named(self) -> None:
        """Look at every line of the lists that were named, and of those that these name."""
        done = set[str]()
        while left := [name for name in self.names if name not in done]:
            for name in left:
                done.add(name)
                for line in self._lines(name):
                    self._drawn_line(line, self.place(name))

    def _lines(self, name: str) -> Iterator[str]:
        yield from (str(value) for value in self.lists.get_values(name).items)

    def place(self, name: str) -> Place:
        """Return where a list is said to be."""
        path = self.folder / f"{name}.txt"
        return (path,) if path.is_file() else (self.folder, Named(name))

    def _drawn_line(self, line: str, place: Place) -> None:
        """Look at a line as it is read where another text draws it: its signs count, whatever it has beside them."""
        if not self._can_be_drawn(line, place) or not _ODD.search(line):
            return
        try:
            expanded("{x}" + line, folder=self.folder, seed=0, shot_seed=0, lost=Problems())
        except StudyError:
            self.problems.add(place, "a wildcard draws this line, which cannot be read", REMEDY, seen=line)

    def _can_be_drawn(self, text: str, place: Place) -> bool:
        """Whether every list that a text names is there and has an end; those that are not there are told of."""
        names = wildcards_in(text)
        lost = [name for name in names if not self.lists.get_values(name)]
        self.names.update(dict.fromkeys(name for name in names if name not in lost))
        self.problems.extend(self._lost(name, place) for name in lost)
        return not lost and self.endless.isdisjoint(names)

    def _lost(self, name: str, place: Place) -> Problem:
        known = ", ".join(sorted(self.lists.get_collection_names())[:10]) or "none"
        remedy = f"put {name}.txt into the suite's folder, which has the lists {known}"
        seen = self.lists.to_wildcard(name)
        return Problem(place=place, what="this wildcard has no list", seen=seen, remedy=remedy)
