"""Earlier trials that a study begins with: those of a finished study, `begin = "study:PATH"`, or of its own probe.

A study copies the trials that it uses into a file of its own in its first night. From then on the earlier study may go
on, move or be deleted, and the probe be measured again: nothing of them is read any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import Problems
from engine.files import file_kind, read_text, user_path, write_text
from search.errors import SearchError
from search.history import TrialRecord
from search.plan import EarlierStudy, InitialRecipe
from search.space.space import Space
from studies.errors import StudyError

STUDY = "study:"
"""How a text of `begin` begins that names a study."""
PROBE = "probe"
"""The text of `begin` that names the recipes that `recipe-search probe` measured."""
COPY = "earlier_study.json"
"""The file with the copy, in the folder of the study that uses it."""
REMEDY = 'name a finished study by its study file or its folder, `begin = "study:../first/study.toml"`'
"""The way out of a text of `begin` that names no study."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _CopyModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CopiedTrial(_CopyModel):
    """A trial of the earlier study that has a value, or whose pictures were broken."""

    point: dict[str, Finite]
    """As a point of the space of the study that uses it."""
    stage: str
    """The stage that proposed it."""
    value: Finite | None = None
    """None: its pictures were broken."""
    standard_error: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    slots: list[int] = []
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class CopiedStudy(_CopyModel):
    """What a study uses of an earlier one."""

    begin: str
    """The text of `begin` that named it."""
    name: str
    trials: list[CopiedTrial]
    recommended: dict[str, Finite]
    """The point of the recipe that the model of these trials expects most of."""
    remark: str
    """What was used and what was not, in a sentence."""

    @property
    def text(self) -> str:
        """As its file has it."""
        return self.model_dump_json(indent=1) + "\n"

    def earlier(self, space: Space) -> EarlierStudy:
        """Return the trials for the surrogate.

        Raises:
            SearchError: a point is not one of the space.
        """
        trials = (
            TrialRecord(
                number=n,
                stage=one.stage,
                point=space.checked(one.point),
                value=one.value,
                infeasible=one.value is None,
                standard_error=one.standard_error,
                slots=tuple(one.slots),
                share=one.share,
            )
            for n, one in enumerate(self.trials)
        )
        return EarlierStudy(label=self.name, trials=tuple(trials))

    def first_recipe(self, space: Space) -> InitialRecipe:
        """Return the recommended recipe, which is tried first.

        Raises:
            SearchError: it is no point of the space.
        """
        return InitialRecipe(label=f"best of {self.name}", point=space.checked(self.recommended))


def is_earlier(text: str) -> bool:
    """Whether a text of `begin` names earlier trials, of a study or of the probe, and not a recipe."""
    return text == PROBE or text.startswith(STUDY)


def earlier_place(begin: Sequence[str], here: Path, folder: Path) -> Path | None:
    """Return the study file or folder that `begin` names, or the study's own folder for its probe; None without either.

    Args:
        begin: the texts.
        here: folder that paths start from.
        folder: of the study itself.

    Raises:
        StudyError: there is no home folder of that name.
    """
    text = next((text for text in begin if is_earlier(text)), None)
    if text is None:
        return None
    return folder if text == PROBE else here / user_path(text.removeprefix(STUDY).strip(), StudyError)


def add_naming_problems(begin: Sequence[str], problems: Problems) -> None:
    """Add what is wrong with how `begin` names studies."""
    earlier = [(n, text) for n, text in enumerate(begin) if is_earlier(text)]
    for n, text in earlier:
        if not text.removeprefix(STUDY).strip():
            problems.add(("search", "begin", n), "names no study", REMEDY)
        with problems.collecting("search", "begin", n):
            earlier_place([text], Path(), Path())
    for n, text in earlier[1:]:
        what = "comes beside other earlier trials" if text == PROBE else "is a second study"
        problems.add(("search", "begin", n), what, "one study can begin with one earlier study, or with its probe")


def copied_study(begin: Sequence[str], folder: Path) -> CopiedStudy | None:
    """Return the copy that a study made of the earlier trials named in `begin`; None where there is none yet.

    Args:
        begin: the texts.
        folder: of the study that uses it.

    Raises:
        StudyError: the file is damaged.
    """
    path = folder / COPY
    text = next((text for text in begin if is_earlier(text)), None)
    if text is None or not file_kind(path):
        return None
    copy = parsed_copy(read_text(path, StudyError), path)
    return copy if copy.begin == text else None


def parsed_copy(text: str, place: Path) -> CopiedStudy:
    """Return the copy that a text is.

    Raises:
        StudyError: it is damaged.
    """
    try:
        return CopiedStudy.model_validate_json(text)
    except ValidationError as error:
        remedy = "restore it, or delete it and the next run copies the earlier trials again"
        raise StudyError("is damaged: this is no copy of a study's trials", place=(place,), remedy=remedy) from error


def write_copy(copy: CopiedStudy, folder: Path) -> None:
    """Write the copy into the folder of the study that uses it."""
    write_text(folder / COPY, copy.text)


def with_copy(copy: CopiedStudy, space: Space) -> tuple[EarlierStudy, InitialRecipe]:
    """Return what a plan takes of a copy.

    Raises:
        StudyError: the copy belongs to another space than the study's.
    """
    try:
        return copy.earlier(space), copy.first_recipe(space)
    except SearchError as error:
        what = f'the trials of "{copy.name}" were copied for another [space] than this one'
        raise StudyError(what, remedy=f"put [space] back, or delete {COPY} in the study's folder") from error
