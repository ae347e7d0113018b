"""What people say that blocks do, and what a probe of this pair answers, as a file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from studies.results.probe import FOLDER
from studies.results.result_file import kept_result, write_result
from studies.store.shapes import Shape

Answer = Literal["agrees", "does not agree", "cannot be told"]
"""What the pair answers to a claim."""
AGREES: Answer = "agrees"
"""The pair does what is said, beyond the noise."""
DISAGREES: Answer = "does not agree"
"""The pair does the opposite, beyond the noise."""
OPEN: Answer = "cannot be told"
"""The measurement decides neither way, or did not move what the claim is about."""
FILE = "folklore.json"
"""Name of the file, beside the result of the probe."""

_FILE: Shape = {
    "answers": [{"claim": str, "source": str, "address": str, "answer": str, "reason": str}],
    "remark": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolkloreAnswer:
    """A claim, who makes it, and what this pair answers."""

    claim: str
    """What is said of a block, in our words."""
    source: str
    """Who says it."""
    address: str
    """Where it can be read; "" where it has no address."""
    answer: Answer
    reason: str
    """The numbers behind the answer, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folklore:
    """All claims with their answers."""

    answers: tuple[FolkloreAnswer, ...]
    remark: str
    """How to read them, in a sentence or two."""


def folklore_file(folder: Path) -> Path:
    """Return where the answers lie in a study's folder."""
    return folder / FOLDER / FILE


def write_folklore(folder: Path, folklore: Folklore) -> Path:
    """Write the answers into a study's folder, at once or not at all; return the file."""
    return write_result(folklore_file(folder), asdict(folklore))


def read_folklore(folder: Path) -> Folklore | None:
    """Read the answers in a study's folder; None where there are none.

    Raises:
        StudyError: the file is damaged.
    """
    value = kept_result(folklore_file(folder), _FILE, "delete it, and run `recipe-search probe` again")
    if value is None:
        return None
    return Folklore(answers=tuple(FolkloreAnswer(**one) for one in value["answers"]), remark=value["remark"])
