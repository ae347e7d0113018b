"""A suite of situations: lists of words, each line of them a situation that pictures are made of.

A suite is a folder of lists, or one list. Each list is an aspect (``light.txt`` is the aspect "light"), each of its
lines a situation of that aspect. The lists are those of the WebUI's extension "Dynamic Prompts" and need no change:
text files with a line for each word or prompt, notes that begin with ``#``, folders within folders, YAML and JSON; in
lines ``{a|b}`` and ``__other__`` as there. How a line becomes a prompt (``studies.after_recipe.situations.frames``):

1. A list may have a frame, a note that begins with ``#:``, such as ``#: a photo of __subject__, __light__``.
2. The study may have a frame, ``[situations] frame``, around that: "masterpiece, __situation__".
3. Without any frame a line is a whole prompt.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from engine.errors import Problem, Problems, counted
from studies.after_recipe.situations.frames import SLOT, framed
from studies.after_recipe.situations.list_checks import check_lists, check_study_frame
from studies.after_recipe.situations.lists import SHIPPED, SituationList, list_folder, read_lists
from studies.errors import StudyError
from studies.studyfile.wildcard_circles import stands_alone

MOST = 1000
"""Most situations of a suite: more would take days, and each would have to differ a lot to stand out from so many."""
SHORT = 3
"""Most words of a line that hardly is a prompt by itself."""
_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One line of a list, and what its pictures are asked for."""

    aspect: str
    """The name of its list, such as "light" or "outside/weather"."""
    word: str
    """The line as the list has it: a word, some words or a whole prompt; may hold choices and wildcards."""
    frame: str
    """The prompt around the word in Dynamic Prompts' syntax, with ``frames.SLOT`` where the word stands."""
    alternatives: tuple[str, ...]
    """The other lines of the list, in its order: what a picture of this word must not be taken for."""
    key: str
    """Names the situation in files and results: letters, digits and hyphens. No two of a suite have the same,
    and it depends on aspect, word and frame alone."""

    @property
    def template(self) -> str:
        """The whole prompt, in Dynamic Prompts' syntax."""
        return self.frame.replace(SLOT, self.word)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """All situations, in the order of the lists' names, then of their lines."""

    situations: tuple[Situation, ...]
    source: Path
    """The folder of lists, or the only list."""
    folder: Path
    """The folder whose lists wildcards name."""

    @property
    def is_shipped(self) -> bool:
        """Whether this is the suite that comes with the program."""
        return self.source == SHIPPED

    @property
    def name(self) -> str:
        """Name of its folder of lists, or of its only list; "" where it is the one that ships."""
        return "" if self.is_shipped else self.source.name

    def key_from(self, here: Path) -> str:
        """Return its name and digits of its way from a study's folder, for names of folders; "" for the one that ships.

        Suites of one name have different keys, and a study that is moved with its suite keeps the key.
        """
        if self.is_shipped:
            return ""
        source = self.source.resolve()
        try:
            way = Path(os.path.relpath(source, here.resolve()))
        except ValueError:  # another drive
            way = source
        words = re.sub(r"[^\w.-]+", "-", self.source.name)[:60].strip("-.")
        return f"{words}-{hashlib.sha256(os.fsencode(way.as_posix())).hexdigest()[:6]}".lstrip("-")

    @cached_property
    def aspects(self) -> Mapping[str, tuple[Situation, ...]]:
        """The situations of each list, by its name."""
        names = dict.fromkeys(one.aspect for one in self.situations)
        return {name: tuple(one for one in self.situations if one.aspect == name) for name in names}

    @property
    def hints(self) -> tuple[Problem, ...]:
        """What is likely not meant: lists of mere words without a frame. Nothing is wrong with that."""
        bare = [one[0].aspect for one in self.aspects.values() if all(map(_is_bare, one))]
        if not bare:
            return ()
        what = f"mere words, and each is a whole prompt: {', '.join(bare[:10])}"
        remedy = 'set [situations] frame = "a photo of ..., __situation__", or begin a list with "#: a frame"'
        return (Problem(place=(self.source,), what=what, remedy=remedy),)


def read_suite(source: Path | None = None, frame: str = "") -> Suite:
    """Read a suite.

    Args:
        source: a folder of lists, or one list (.txt); None: the suite that ships.
        frame: the study's frame, around that of the lists; "": none.

    Raises:
        StudyError: there is no such folder or list, it has no line or too many, a list cannot be read, or lines or
            frames name lists that are not there or cannot be understood; all problems of all lists at once.
    """
    from studies.studyfile.word_lists import WordLists

    source = SHIPPED if source is None else source
    folder = list_folder(source)
    problems, lists = Problems(), WordLists(folder, (source,) if stands_alone(source, frame) else None)
    check_study_frame(frame, lists, folder, problems)
    around = "" if problems else frame  # one that is wrong is told once, and not with every list
    read = read_lists(source, lists, problems)
    if (count := sum(len(one.lines) for one in read)) > MOST:  # before all their choices are looked at
        what = f"the lists have {counted(count, 'line')}, and a suite has {counted(MOST, 'situation')} at most"
        problems.add((source,), what, "name one list, or a folder with fewer")
        problems.raise_as(StudyError)
    check_lists({one: framed(one.aspect, one.frame, around) for one in read}, lists, folder, problems)
    situations = tuple(situation for one in read for situation in _situations_of(one, frame))
    if not situations and not problems:
        problems.add((source,), "no list here has a line", "write a line for each situation into a .txt file")
    problems.raise_as(StudyError)
    return Suite(situations=situations, source=source, folder=folder)


def _situations_of(one: SituationList, study_frame: str) -> Iterator[Situation]:
    frame = framed(one.aspect, one.frame, study_frame)
    for word in one.lines:
        others = tuple(other for other in one.lines if other != word)
        key = _key(one.aspect, word, frame)
        yield Situation(aspect=one.aspect, word=word, frame=frame, alternatives=others, key=key)


def _key(aspect: str, word: str, frame: str) -> str:
    """A name that people can read, with a hash behind, since words may differ in signs alone."""
    digest = hashlib.sha256(f"{aspect}\n{word}\n{frame}".encode()).hexdigest()[:10]
    readable = [_PLAIN.sub("-", text.lower()).strip("-")[:24].strip("-") for text in (aspect, word)]
    return "-".join([*filter(None, readable), digest])


def _is_bare(situation: Situation) -> bool:
    """Whether a situation's prompt is its line alone, and that has hardly a word."""
    return situation.frame == SLOT and len(situation.word.split()) <= SHORT and "," not in situation.word


def suite_text(suite: Suite) -> str:
    """Return what a suite is, in a few words for people."""
    name = "the suite that ships" if suite.is_shipped else str(suite.source)
    aspects = counted(len(suite.aspects), "aspect")
    return f"{name}: {counted(len(suite.situations), 'situation')} of {aspects} ({', '.join(suite.aspects)})"
