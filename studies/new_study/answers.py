"""The answers of a person who is asked for a new study, each checked at once by what will read it later.

Every check takes what was typed and returns what is kept, with remarks for the person; what is wrong raises an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic_core import PydanticCustomError

from engine.errors import Problems, counted
from engine.files import file_kind, user_path
from studies.errors import StudyError
from studies.new_study.draft import path_in_study
from studies.new_study.from_picture import settings_from
from studies.new_study.prompts import read_prompt_list
from studies.preflight.findings import is_fatal
from studies.preflight.references import FEWEST_REFERENCES, reference_findings
from studies.studyfile.problems import problems_of
from studies.studyfile.reference_files import reference_files
from studies.studyfile.spec import TargetLook
from studies.studyfile.tables import validators

ANY_SIDE = 4096
"""Stands for the shortest side of renders while their size is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is kept of an answer, and what a person should know of it."""

    kept: str
    remarks: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Return an answer without blanks around it, and without the quotes in which a file dropped on a terminal comes."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def study_answer(text: str) -> Answer:
    """The new file: its place must be free.

    Raises:
        StudyError: something is there, or no file can have such a name.
    """
    path = user_path(text, StudyError)
    if file_kind(path) == "folder":
        path /= "study.toml"
    if file_kind(path):
        raise StudyError("already exists", place=(path,), remedy="name another file")
    folder = next((one for one in path.absolute().parents if file_kind(one)), path.parent)
    if file_kind(folder) != "folder":
        raise StudyError(f"is a {file_kind(folder)}, not a folder", place=(folder,), remedy="name another place")
    return Answer(kept=str(path))


def model_answer(text: str, study: Path, *others: str) -> Answer:
    """A checkpoint: one that can be merged with those before it.

    Args:
        text: what was typed.
        study: the new study file.
        others: the checkpoints before it, as they are kept.

    Raises:
        StudyError: it is one of them.
        EngineError: it is no whole checkpoint, or does not go with them.
    """
    from engine.architecture.families import TITLES
    from engine.checkpoints.checkpoint import check_pair, has_vae, open_complete

    kept = path_in_study(text, study)
    path, before = (user_path(one, StudyError) for one in (kept, others[0] if others else kept))
    if any((study.parent / user_path(one, StudyError)).resolve() == (study.parent / path).resolve() for one in others):
        raise StudyError("is the same file as one before", place=(path,), remedy="name a different checkpoint")
    model = open_complete(study.parent / path, vae=False)
    if others:
        check_pair(open_complete(study.parent / before, vae=False), model, vae=False)
    lines = [f"{TITLES[model.family]}"]
    if not has_vae(model):
        lines.append("it has no whole VAE inside: name a VAE as vae under [render] of the study file")
    return Answer(kept=kept, remarks=tuple(lines))


def references_answer(text: str, study: Path) -> Answer:
    """A folder of pictures of the target look, or one picture.

    Raises:
        StudyError: there is no picture, or one of them cannot be used.
    """
    kept = path_in_study(text, study)
    source = study.parent / user_path(kept, StudyError)
    if not file_kind(source):
        raise StudyError("there is no such folder", place=(source,), remedy="name a folder of pictures")
    pictures, passed_over = reference_files([source])
    if not pictures:
        raise StudyError("holds no picture", place=(source,), remedy="name a folder with 8 to 40 pictures of the look")
    # Whether so few are enough depends on the look in words, which is asked for next.
    target = TargetLook(sources=(source,), references=pictures, passed_over=passed_over, like="asked for next")
    found = list(reference_findings(target, study.parent, ANY_SIDE))
    if is_fatal(found):
        problems = Problems()
        problems.extend(finding.problem for finding in found if finding.level == "error")
        problems.raise_as(StudyError)
    count = counted(len(pictures), "picture")
    return Answer(kept=kept, remarks=(count, *(finding.line for finding in found)))


def needs_words(references: str, study: Path) -> bool:
    """Whether so few references need the look in words."""
    return len(reference_files([study.parent / user_path(references, StudyError)])[0]) < FEWEST_REFERENCES


def picture_answer(text: str) -> Answer:
    """A picture whose text says how it was made.

    Raises:
        StudyError: it is no picture, or has no such text.
        RenderError: the text cannot be read.
    """
    found = settings_from(user_path(text, StudyError))
    taken = ", ".join(f"{key} {value}" for key, value in found.render.items() if key != "negative")
    return Answer(kept=text, remarks=(f"taken: {taken}", *found.notes))


def prompts_answer(text: str) -> Answer:
    """A list of prompts.

    Raises:
        StudyError: it cannot be read, holds no prompt, or has lines that are none.
    """
    found = read_prompt_list(user_path(text, StudyError))
    return Answer(kept=text, remarks=(f"{len(found.prompts)} prompts", *found.notes))


def name_answer(text: str) -> Answer:
    """A name for the study, and for its folder.

    Raises:
        StudyError: it is no name for a folder.
    """
    try:
        return Answer(kept=validators.folder_name(text))
    except PydanticCustomError as error:
        raise StudyError.of(problems_of(error)) from error
