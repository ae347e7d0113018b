"""A study file before it is written: what a person gave, by options or as answers, and the equal command line."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic_core import PydanticCustomError

from engine.errors import Named, did_you_mean
from engine.files import user_path
from scorers.catalogue.lookup import ENCODERS, encoder_named
from studies.errors import StudyError
from studies.new_study.from_picture import PictureSettings, settings_from
from studies.new_study.prompts import USUAL_PROMPTS, PromptList, divided, read_prompt_list
from studies.new_study.template import study_template, write_template
from studies.studyfile.space import family_of_files
from studies.studyfile.tables import validators
from studies.studyfile.tables.schema import DEFAULT_ENCODER

USUAL_PICTURE_PROMPTS = len(USUAL_PROMPTS) - 1
"""How many of our prompts go beside that of a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDraft:
    """What `recipe-search init` is given, in the words of its options; paths of the study start from its file.

    Attributes:
        study: The new file.
        model_a: Path of checkpoint A.
        model_b: Path of checkpoint B.
        model_c: That of checkpoint C, or "".
        mode: Merge mode; "": the usual one.
        references: Folder of pictures of the target look.
        like: The look in words, or "".
        unlike: What it is set against, or "".
        picture: A picture that prompt and settings are taken from, from where the command is typed; or "".
        prompts: A list of prompts, from there too; or "".
        encoder: Name of a known encoder.
        name: Of the study.
    """

    study: str = "study.toml"
    model_a: str = "models/a.safetensors"
    model_b: str = "models/b.safetensors"
    model_c: str = ""
    mode: str = ""
    references: str = "references"
    like: str = ""
    unlike: str = ""
    picture: str = ""
    prompts: str = ""
    encoder: str = DEFAULT_ENCODER
    name: str = "my-mix"


OPTIONS = {
    "model_a": "-a",
    "model_b": "-b",
    "model_c": "-c",
    "mode": "--mode",
    "references": "--references",
    "like": "--like",
    "unlike": "--unlike",
    "picture": "--from",
    "prompts": "--prompts",
    "encoder": "--encoder",
    "name": "--name",
}
"""The option of every part of a draft, but for the file."""


def write_draft(draft: StudyDraft) -> tuple[str, ...]:
    """Write the study file, whole or not at all.

    Returns:
        What became of prompts and picture, for people.

    Raises:
        StudyError: the file is there already or cannot be written, a list or a picture cannot be read, the name is
            none for a folder, or the encoder is not known.
        RenderError: the text of the picture cannot be read.
    """
    if draft.unlike and not draft.like:
        raise StudyError("means nothing without --like", place=(Named("--unlike"),), remedy="add --like")
    _refuse_unknown_words(draft)
    study = user_path(draft.study, StudyError)
    picture = settings_from(user_path(draft.picture, StudyError)) if draft.picture else PictureSettings()
    listed = read_prompt_list(user_path(draft.prompts, StudyError)) if draft.prompts else None
    usual = PromptList(prompts=USUAL_PROMPTS[:USUAL_PICTURE_PROMPTS] if picture.prompt else USUAL_PROMPTS)
    prompts = divided((listed or usual).prompts, first=picture.prompt, seed=picture.seed)
    text = study_template(
        file=study.name,
        name=draft.name,
        a=draft.model_a,
        b=draft.model_b,
        c=draft.model_c,
        mode=draft.mode,
        references=draft.references,
        encoder=draft.encoder,
        family=family_of_files([study.parent / path for path in (draft.model_a, draft.model_b)]) or "sd1",
        like=draft.like,
        unlike=draft.unlike,
        prompts=prompts,
        picture=picture,
    )
    write_template(study, text)
    whose = f"the {'other ' * bool(picture.prompt)}prompts are ours: better write what you draw yourself"
    return (*picture.notes, *(listed.notes if listed else ()), *prompts.sentences, *([] if listed else [whose]))


def _refuse_unknown_words(draft: StudyDraft) -> None:
    try:
        validators.folder_name(draft.name)
    except PydanticCustomError as error:
        raise StudyError(error.message(), place=(Named(OPTIONS["name"]),), seen=draft.name) from error
    if encoder_named(draft.encoder) is None:
        known = [name for encoder in ENCODERS for name in (encoder.name, *encoder.aliases)]
        remedy = did_you_mean(draft.encoder, known)
        raise StudyError("is no known encoder", place=(Named(OPTIONS["encoder"]),), seen=draft.encoder, remedy=remedy)


def command_line(draft: StudyDraft) -> str:
    """Return what writes the same study file when it is typed."""
    words = ["recipe-search", "init", draft.study]
    for field in fields(StudyDraft):
        value = getattr(draft, field.name)
        if field.name in OPTIONS and value != field.default:
            words += [OPTIONS[field.name], value]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def path_in_study(text: str, study: Path) -> str:
    """Return an answer as a path for a study file: from where that lies, or whole where it was meant from here.

    Raises:
        StudyError: no file can have such a name.
    """
    path = user_path(text, StudyError)
    if not (study.parent / path).exists() and path.exists():
        return str(path.absolute())
    return text
