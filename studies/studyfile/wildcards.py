"""Choices ``{a|b}`` and wildcards ``__name__`` in a study's prompts, decided once: the same study, the same words.

The syntax is that of the WebUI's extension "Dynamic Prompts", expanded by the package of its author. Every shot decides
for itself, by the study's seed, its own seed and the text; what the lists hold becomes part of the shot, so that a
study notices when a list has changed.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Place, Problem, Problems
from engine.files import file_kind
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.studyfile.wildcard_circles import circle_text, circles_in, named_by, wildcards_in

if TYPE_CHECKING:
    from studies.studyfile.word_lists import WordLists

_SYNTAX = re.compile(r"\{|__.+?__", re.DOTALL)
"""What makes a text one for the package: it knows nothing else that it would replace."""
REMEDY = "close every {, take % and $ out, give each variable a value, and let no list name itself"
"""The way out where the package cannot read a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlaces:
    """Where the texts of a shot stand in the study file."""

    prompt: Place = ("prompts",)
    negative: Place = ("prompts",)


ANYWHERE = ShotPlaces()
HIRES = ShotPlaces(prompt=("render", "hires", "prompt"), negative=("render", "hires", "negative"))


def expanded(text: str, *, folder: Path, seed: int, shot_seed: int, lost: Problems | None = None) -> str:
    """A prompt with its choices made.

    Args:
        text: a prompt or a negative, as written.
        folder: where the lists lie: ``colour.txt`` for ``__colour__``, with a line for each word, or YAML.
        seed: the study's.
        shot_seed: the shot's.
        lost: wildcards without a list are added, which stay in the text.

    Returns:
        The text with its choices made; a wildcard without a list stays as it is.

    Raises:
        StudyError: there is no such folder, or the text or a list cannot be read.
    """
    if (kind := file_kind(folder)) != "folder":
        what = f"this is a {kind}, not a folder" if kind else "there is no such folder"
        raise StudyError(what, place=("render", "wildcards", folder), remedy="name the folder of your lists")
    if not _SYNTAX.search(text):
        return text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyparsing's, of names that dynamicprompts still uses
        warnings.filterwarnings("ignore", "Command .* has finite sampling method", UserWarning)
        return _with_choices_drawn(text, folder, _seed_of(text, seed, shot_seed), Problems() if lost is None else lost)


def with_choices(
    shot: Shot, *, folder: Path, seed: int, places: ShotPlaces = ANYWHERE, lost: Problems | None = None
) -> Shot:
    """A shot with the choices of its prompts and its negatives made, as ``expanded`` does; errors have a place."""

    def made(one: Shot | Hires, where: ShotPlaces) -> dict[str, str]:
        texts = {"prompt": (one.prompt, where.prompt), "negative": (one.negative, where.negative)}
        return {name: drawn(text, place) for name, (text, place) in texts.items()}

    def drawn(text: str, place: Place) -> str:
        unknown = Problems()
        try:
            return expanded(text, folder=folder, seed=seed, shot_seed=shot.seed, lost=unknown)
        except StudyError as error:
            raise (error if error.problems[0].place else error.under(*place)) from error
        finally:
            if lost is not None:
                lost.extend(problem.under(*place) for problem in unknown.found)

    return replace(shot, **made(shot, places), hires=shot.hires and replace(shot.hires, **made(shot.hires, HIRES)))


def _with_choices_drawn(text: str, folder: Path, seed: int, lost: Problems) -> str:
    from dynamicprompts.generators import RandomPromptGenerator
    from pyparsing import ParseBaseException

    from studies.studyfile.word_lists import WordLists

    lists = WordLists(folder, None if "__" in text else ())
    try:
        drawn = RandomPromptGenerator(wildcard_manager=lists, seed=seed).generate(text, 1)
    except (
        ParseBaseException,
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        circles = circles_in(named_by(wildcards_in(text), lists))
        reason = "; ".join(map(str, error.args)) if isinstance(error, LookupError) else error
        if circles:
            reason = f"a list names itself: {', '.join(map(circle_text, circles))}"
        raise StudyError(f'the choices of "{text}" cannot be read ({reason})', remedy=REMEDY) from error
    if not drawn:
        raise StudyError(f'the choices of "{text}" cannot be read (they give nothing)', remedy=REMEDY)
    lost.extend(_without_list(name, lists) for name in lists.lost)
    return str(drawn[0])


def _without_list(name: str, lists: WordLists) -> Problem:
    """That a wildcard stays in the text."""
    reasons = "; ".join(lists.unreadable.values())
    known = ", ".join(sorted(lists.get_collection_names())[:10]) or "none"
    remedy = f"put {name}.txt into the folder of wildcards, which has the lists {known}" + (
        f"; this cannot be read: {reasons}" if reasons else ""
    )
    return Problem(what="this wildcard has no list and stays in the text", seen=lists.to_wildcard(name), remedy=remedy)


def _seed_of(text: str, seed: int, shot_seed: int) -> int:
    digest = hashlib.sha256(f"{seed}\n{shot_seed}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
