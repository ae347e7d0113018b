"""Where a study is, and how many trials it plans: of its file only as much as its status needs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.errors import ProblemError
from engine.files import read_text
from search.plan import STAGES
from studies.errors import StudyError
from studies.studyfile.crosschecks import path_from


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlace:
    """One study file."""

    file: Path
    """The study file."""
    name: str
    """Of the study; that of its file where it does not say it."""
    folder: Path
    """Where everything of the study is kept."""
    is_in_database: bool = False
    """Whether a database keeps its trials, and not a journal in the folder."""
    problems: tuple[str, ...] = ()
    """Why the file cannot be read, for people."""

    @classmethod
    def of(cls, file: Path) -> StudyPlace:
        """Read the name and the folder of a study file; one that cannot be read is a place with problems."""
        file, problems, table = file.absolute(), list[str](), dict[str, object]()
        try:
            found = tomllib.loads(read_text(file, StudyError)).get("study")
            table = found if isinstance(found, dict) else {}
        except ProblemError as error:
            problems.append(str(error))
        except tomllib.TOMLDecodeError as error:
            problems.append(f"{file}: is not TOML: {error}")
        name, folder = table.get("name"), table.get("folder")
        if not problems and not (isinstance(name, str) and isinstance(folder, str | None)):
            problems.append(f"{file}: [study] has no name, or a folder that is no text")
        text = folder if isinstance(folder, str) else f"runs/{name}"
        shown = name if isinstance(name, str) else file.parent.name if file.name == "study.toml" else file.stem
        return cls(
            file=file,
            name=shown,
            folder=path_from(file.parent, text),
            is_in_database=isinstance(table.get("storage"), str),
            problems=tuple(problems),
        )

    def planned(self) -> Mapping[str, int]:
        """Return the most trials of each stage by the study file; nothing where that has mistakes."""
        try:
            status = self.file.stat()
        except OSError:
            return {}
        return _planned(self.file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1000)
def _planned(file: Path, _changed_ns: int, _size: int) -> Mapping[str, int]:
    """What a study file plans; it is read again when it has changed."""
    from studies.studyfile.read import read_study_file

    try:
        suggester = read_study_file(file).search.suggester()
    except ProblemError:
        return {}
    return {stage: suggester.trials(stage) for stage in STAGES}
