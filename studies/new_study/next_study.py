"""The study file of the next stage: that of the stage before, with what that made as A.

References, prompts, settings and scorers stay, and so do the comments; what spoke of the models before goes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tomlkit

from engine.files import file_kind, read_text
from engine.modes.registry import MERGE_MODES
from engine.modes.sums import ADD_DIFFERENCE, WEIGHT_SUM
from engine.recipes.blocks import blocks_of
from studies.errors import StudyError
from studies.new_study.rebased import path_in, rebase
from studies.new_study.template import write_template
from studies.new_study.tried_text import problems_of
from studies.studyfile.crosschecks import path_from
from studies.studyfile.spec import StudySpec
from studies.studyfile.tables.space_values import SUGGESTED

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
    rebase(document, wanted.before.storage.file.parent, wanted.file.parent)
    _set_models(document, wanted)
    if not wanted.b:
        notes += _without_parent(document, wanted)
    text = "\n".join([*_head(wanted), "", _without_head(tomlkit.dumps(document))])
    if file_kind(wanted.file):
        raise StudyError("already exists", place=(wanted.file,), remedy="remove it first, or name another file")
    wanted.file.absolute().parent.mkdir(parents=True, exist_ok=True)
    if problems := problems_of(wanted.file, text):
        raise StudyError.of(problems, "the study file of the next stage was not written")
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
    models["A"] = path_in(wanted.a, here)
    models["B"] = wanted.b or path_in(before["B"], here)
    third = wanted.c or (path_in(before["C"], here) if "C" in before else "")
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
