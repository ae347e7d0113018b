"""Choices ``{a|b}`` and wildcards ``__name__`` in a study's prompts, decided once: the same study, the same words.

The syntax is that of the WebUI's extension "Dynamic Prompts", expanded by the package of its author. Every shot decides
for itself, by the study's seed, its own seed and the text; what the lists hold becomes part of the shot, so that a
study notices when a list has changed.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from dataclasses import replace
from pathlib import Path

from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.errors import StudyError

_SYNTAX = re.compile(r"\{|\$\{|__[\w/*-]+?__")


def expanded(text: str, *, folder: Path, seed: int, shot_seed: int) -> str:
    """A prompt with its choices made.

    Args:
        text: a prompt or a negative, as written.
        folder: where the lists lie: ``colour.txt`` for ``__colour__``, with a line for each word, or YAML.
        seed: the study's.
        shot_seed: the shot's.

    Returns:
        The text with its choices made; a wildcard without a list stays as it is.

    Raises:
        StudyError: there is no such folder, or the text cannot be read.
    """
    if not folder.is_dir():
        raise StudyError(
            "there is no such folder", place=("render", "wildcards", folder), remedy="name the folder of your lists"
        )
    if not _SYNTAX.search(text):
        return text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyparsing's, of names that dynamicprompts still uses
        return _with_choices_drawn(text, folder, _seed_of(text, seed, shot_seed))


def with_choices(shot: Shot, *, folder: Path, seed: int) -> Shot:
    """A shot with the choices of its prompts and its negatives made; raises as ``expanded`` does."""

    def made(one: Shot | Hires) -> dict[str, str]:
        texts = {"prompt": one.prompt, "negative": one.negative}
        return {name: expanded(text, folder=folder, seed=seed, shot_seed=shot.seed) for name, text in texts.items()}

    return replace(shot, **made(shot), hires=shot.hires and replace(shot.hires, **made(shot.hires)))


def _with_choices_drawn(text: str, folder: Path, seed: int) -> str:
    from dynamicprompts.generators import RandomPromptGenerator
    from dynamicprompts.wildcards.wildcard_manager import WildcardManager
    from pyparsing import ParseBaseException

    logging.getLogger("dynamicprompts").setLevel(logging.ERROR)  # the check warns of a wildcard without a list
    generator = RandomPromptGenerator(wildcard_manager=WildcardManager(folder), seed=seed)
    try:
        return str(generator.generate(text, 1)[0])
    except (ParseBaseException, ValueError, RecursionError) as error:
        raise StudyError(
            f'the choices of "{text}" cannot be read ({error})',
            place=("prompts",),
            remedy="close every {, take % and $ out, and let no list name itself",
        ) from error


def _seed_of(text: str, seed: int, shot_seed: int) -> int:
    digest = hashlib.sha256(f"{seed}\n{shot_seed}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
