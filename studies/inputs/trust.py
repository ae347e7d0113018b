"""Which programs of study files a person lets run: scorers in files of their own, each by its path and its content.

A study file from somebody else can name a Python file beside it, and judging pictures runs that file with all rights of
the user. So commands ask before, as editors do for the folders that they open. The answer is kept for the user, and
holds for this file as it is: another content, or the same in another place, is asked about again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import Problem
from engine.files import readable, user_folder, write_text
from scorers.scoring.plugins import TRUST, PluginFile, plugin_files
from studies.errors import StudyError
from studies.studyfile.spec import Scoring, StudySpec

Identity = tuple[str, str]
"""Path and SHA-256 of a file."""


def trust_memory() -> Path:
    """The file in which the answers are kept, in the user's own folder for this program."""
    return user_folder("XDG_STATE_HOME", ".local/state") / "sd-recipe-search" / "trusted-scorers.json"


def programs(scoring: Scoring) -> tuple[PluginFile, ...]:
    """The files that judging runs, as they are now; nothing of them is run here."""
    return plugin_files(scoring.weights, scoring.here)


def trusted_before(memory: Path) -> frozenset[Identity]:
    """What was trusted so far; nothing where the memory is missing or cannot be read."""
    try:
        found = json.loads(readable(memory).read_text(encoding="utf-8"))
        return frozenset((str(path), str(sha256)) for path, sha256 in found)
    except (OSError, ValueError, TypeError, RecursionError):
        return frozenset()


def trust(files: Sequence[PluginFile], memory: Path) -> None:
    """Keep that files may run, beside those of before.

    Raises:
        OSError: the memory cannot be written.
    """
    memory.parent.mkdir(parents=True, exist_ok=True)
    every = trusted_before(memory) | {file.identity for file in files}
    write_text(memory, json.dumps(sorted(every), indent=1) + "\n")


def refusal(files: Sequence[PluginFile], remedy: str = TRUST) -> StudyError:
    """The error of programs that nobody has allowed to run; ``remedy`` is the way to allow them."""
    what = "is a program that the study file names as a scorer, and nobody has allowed it to run here"
    return StudyError.of(Problem(place=(file.path,), what=what, remedy=remedy) for file in files)


def trusted_study(spec: StudySpec) -> StudySpec:
    """The study with the programs that may judge, where all that it names were allowed before.

    Raises:
        StudyError: one of them was not.
    """
    files = programs(spec.scoring)
    known = trusted_before(trust_memory())
    if new := [file for file in files if file.identity not in known]:
        raise refusal(new, f"read it, and if you trust it: recipe-search check {spec.storage.file} --trust")
    every = frozenset(file.identity for file in files)
    return replace(spec, scoring=replace(spec.scoring, trusted=every)) if files else spec
