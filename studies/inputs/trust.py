"""Which programs of study files a person lets run: scorers in files of their own, each by its path and its content.

A study file from somebody else can name a Python file beside it, and judging pictures runs that file with all rights of
the user. So commands ask before, as editors do for the folders that they open. The answer is kept for the user, and
holds for this file as it is: another content, or the same in another place, is asked about again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engine.errors import Problem
from engine.files import readable, write_text
from scorers.scoring.plugins import TRUST, PluginFile, plugin_files
from studies.errors import StudyError
from studies.inputs.hashes import user_folder
from studies.studyfile.spec import Scoring

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


def refusal(files: Sequence[PluginFile]) -> StudyError:
    """The error of programs that nobody has allowed to run."""
    what = "is a program that the study file names as a scorer, and nobody has allowed it to run here"
    return StudyError.of(Problem(place=(file.path,), what=what, remedy=TRUST) for file in files)
