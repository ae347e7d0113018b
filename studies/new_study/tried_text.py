"""What would be wrong with a study file, before it is written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from engine.errors import Problem, ProblemError
from engine.files import replaced
from studies.studyfile.read import read_study_file


def problems_of(study: Path, text: str) -> list[Problem]:
    """Return what is wrong with a text as a study file; their places are as if it had been written.

    Args:
        study: where it would lie; the folder is there. The text is read from a file beside it, which goes again.
        text: of the study file.
    """
    trial = study.absolute().with_name(f".{study.stem}-{os.getpid()}-tried.toml")
    try:
        with replaced(trial) as temporary:
            temporary.write_text(text, encoding="utf-8")
        read_study_file(trial)
    except ProblemError as error:
        names = {trial, Path(trial.name)}  # a study file is named without its folder where its tables are wrong
        return [
            replace(one, place=(study, *one.place[1:])) if names.intersection(one.place[:1]) else one
            for one in error.problems
        ]
    finally:
        trial.unlink(missing_ok=True)
    return []
