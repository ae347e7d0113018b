"""The study file of the next stage: that of the stage before, with what that made as A.

References, prompts, settings and scorers stay, and so do the comments; what spoke of the models before goes.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import tomlkit

from engine.errors import ProblemError
from engine.files import file_kind, read_text, replaced
from engine.modes.registry import MERGE_MODES
from engine.modes.sums import ADD_DIFFERENCE, WEIGHT_SUM
from engine.recipes.blocks import blocks_of
from studies.errors import StudyError
from studies.new_study.template import write_template
from studies.studyfile.crosschecks import path_from
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from studies.studyfile.tables.schema import SCORERS_FOLDER
from studies.studyfile.tables.space_values import SUGGESTED

_PATHS = ("vae", "embeddings", "wildcards", "upscalers")
_OF_MODES = ("mode", "calculation", "beta", "gamma", "separate")
_WIDTH = 118


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStudy:
    """What is said of the next study.

    Attributes:
        file: the new study file.
        name: of the study.
        a: what the stage before made.
        b: path of the next parent, from the new file's folder; "": there is none, and Self and Adjust are searched.
        c: that of a third model, or "".
        mode: merge mode; "": that of the stage before.
        before: the study of the stage before.
        history: what was done so far, lines for the head of the file.
    """

    file: Path
    name: str
    a: Path
    before: StudySpec
    b: str = ""
    c: str = ""
    mode: str = ""
    history: Sequence[str] = ()


def write_next_study(wanted: NextStudy) -> tuple[str, ...]:
    """Write the study file of the next stage, whole or not at all.

    Returns:
        What was left out of the file before, a sentence each.

    Raises:
        StudyError: the file is there already, or kept where the study before is; or what would be in it is wrong.
    """
    document = tomlkit.parse(read_text(wanted.before.storage.file, StudyError))
    notes = [*_left_out(document)]
    _set_study(document, wanted)
    _rebase(document, wanted)
    _set_models(document, wanted)
    if not wanted.b:
        notes += _without_parent(document, wanted)
    text = "\n".join([*_head(wanted), "", _without_head(tomlkit.dumps(document))])
    if file_kind(wanted.file):
        raise StudyError("already exists", place=(wanted.file,), remedy="remove it first, or name another file")
    _check(wanted, text)
    write_template(wanted.file, text)
    return tuple(notes)


def _table(document: tomlkit.TOMLDocument, *names: str) -> dict[str, Any]:
    """A table of the document, to be changed; it is made where there is none."""
    found: Any = document
    for name in names:
        if name not in found:
            found[name] = tomlkit.table()
        found = found[name]
    return cast("dict[str, Any]", found)


def _left_out(document: tomlkit.TOMLDocument) -> Iterable[str]:
    """Take out what names recipes of the models before."""
    search = cast("dict[str, Any]", document.get("search", {}))
    for key in ("begin", "start"):
        if key in search:
            yield f"left out: {key} of [search], which is a recipe of the models before"
            del search[key]


def _set_study(document: tomlkit.TOMLDocument, wanted: NextStudy) -> None:
    study = _table(document, "study")
    study["name"] = wanted.name
    study.pop("folder", None)
    folder = path_from(wanted.file.absolute().parent, f"runs/{wanted.name}")
    if folder.resolve() == wanted.before.storage.folder.resolve():
        raise StudyError(
            f'the study "{wanted.name}" is the one before, and the next needs a name of its own',
            place=(wanted.file,),
            remedy="give it one with --name",
        )


def _set_models(document: tomlkit.TOMLDocument, wanted: NextStudy) -> None:
    here = wanted.file.absolute().parent
    models, before = _table(document, "models"), wanted.before.merge.models
    models["A"] = _path(wanted.a, here)
    models["B"] = wanted.b or _path(before["B"], here)
    third = wanted.c or (_path(before["C"], here) if "C" in before else "")
    if third:
        models["C"] = third
    usual = cast("dict[str, Any]", document.get("merge", {})).get("mode", WEIGHT_SUM.name)
    mode = wanted.mode or (ADD_DIFFERENCE.name if wanted.c and MERGE_MODES[usual].models < len("ABC") else usual)
    if mode != usual:
        _table(document, "merge")["mode"] = mode
    if "C" in models and MERGE_MODES[mode].models < len("ABC"):
        del models["C"]


def _without_parent(document: tomlkit.TOMLDocument, wanted: NextStudy) -> Iterable[str]:
    """Leave Self and Adjust alone to be searched: every block stays at A."""
    merge, space = _table(document, "merge"), _table(document, "space")
    for key in _OF_MODES:
        merge.pop(key, None)
    if not merge:
        del document["merge"]
    space.pop("second", None)
    choices = cast("dict[str, Any]", space.get("choices", {}))
    for key in ("mode", "calculation"):
        choices.pop(key, None)
    _table(document, "models").pop("C", None)
    blocks = tomlkit.table()
    frozen = tomlkit.inline_table()
    frozen.update(dict.fromkeys(blocks_of(wanted.before.search.space.frame.family), 0.0))
    blocks["freeze"] = frozen
    blocks.add(tomlkit.nl())
    space["blocks"] = blocks
    has_sites = bool(cast("dict[str, Any]", space.get("self", {})).get("sites"))
    if not has_sites and not space.get("adjust"):
        _table(document, "space", "self")["sites"] = SUGGESTED
    yield "no next parent (-b): every block stays at A, and Self and Adjust are searched"


def _rebase(document: tomlkit.TOMLDocument, wanted: NextStudy) -> None:
    """Let the paths of the file lead where they led, where it lies in another folder."""
    there, here = wanted.before.storage.file.absolute().parent, wanted.file.absolute().parent
    if there.resolve() == here.resolve():
        return

    def moved(text: object) -> object:
        path = path_from(there, str(text))
        return _path(path, here) if file_kind(path) else text

    target = _table(document, "target")
    references = target["references"]
    target["references"] = [moved(one) for one in references] if isinstance(references, list) else moved(references)
    render = cast("dict[str, Any]", document.get("render", {}))
    for key in (key for key in _PATHS if key in render):
        render[key] = moved(render[key])
    choices = cast("dict[str, Any]", cast("dict[str, Any]", document.get("space", {})).get("choices", {}))
    if "vae" in choices:
        choices["vae"] = [moved(one) for one in choices["vae"]]
    _rebase_scorers(_table(document, "scorers"), moved)


def _rebase_scorers(scorers: dict[str, Any], moved: Any) -> None:
    scorers["folder"] = moved(scorers.get("folder", SCORERS_FOLDER))
    if scorers["folder"] == SCORERS_FOLDER:
        del scorers["folder"]
    if isinstance(scorers.get("encoder"), dict):
        scorers["encoder"] = {key: moved(text) for key, text in scorers["encoder"].items()}
    for owner, file in dict(scorers.get("files", {})).items():
        scorers["files"][owner] = moved(file)
    names = dict(scorers.get("weights", {}))
    programs = {name: _moved_program(name, moved) for name in names}
    if any(name != other for name, other in programs.items()):
        scorers["weights"] = {programs[name]: weight for name, weight in names.items()}
        if "keep" in scorers:
            scorers["keep"] = [programs.get(name, name) for name in scorers["keep"]]


def _moved_program(name: str, moved: Any) -> str:
    """The name of a scorer in a file of its own, which begins with its path."""
    path, mark, rest = name.partition(".py")
    return f"{moved(path + mark)}{rest}" if mark else name


def _path(path: Path, folder: Path) -> str:
    """Relative where it lies in the folder of the new file or beside it, whole elsewhere."""
    whole = path.absolute()
    for base, start in ((folder, ""), (folder.parent, "../")):
        if whole.is_relative_to(base) and base != Path(base.anchor):
            return start + whole.relative_to(base).as_posix()
    return str(whole)


# ------------------------------------------------------------------------------------------------------------ the text


def _head(wanted: NextStudy) -> list[str]:
    before = f"The next stage after the study {wanted.before.storage.name}: A is what its approved recipe makes."
    rest = "References, prompts, settings and scorers are those of that study; every key is explained in README.md of "
    rest += "studies/studyfile."
    lines = (before, *wanted.history, rest)
    return [f"# {line}" for one in lines for line in textwrap.wrap(one, _WIDTH)]


def _without_head(text: str) -> str:
    """The text without the comments before its first table, which spoke of the file before."""
    return re.sub(r"\A(?:[ \t]*(?:#[^\n]*)?\n)+", "", text)


def _check(wanted: NextStudy, text: str) -> None:
    """Refuse to write a study file that cannot be read."""
    folder = wanted.file.absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    trial = folder / f".{wanted.file.stem}-{os.getpid()}-next.toml"
    try:
        with replaced(trial) as temporary:
            temporary.write_text(text, encoding="utf-8")
        read_study_file(trial)
    except ProblemError as error:
        problems = [
            replace(one, place=(wanted.file, *one.place[1:])) if one.place[:1] == (trial,) else one
            for one in error.problems
        ]
        raise StudyError.of(problems, "the study file of the next stage was not written") from error
    finally:
        trial.unlink(missing_ok=True)
