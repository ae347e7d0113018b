"""A target: one form that another tool reads, what it cannot hold, and what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.errors import CheckpointError, Named, Problem, RecipeError
from engine.exports.content import ExportContent
from engine.files import file_kind, replaced
from engine.merging.output import Output

_SHOWN_KEYS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What can be asked for; each target takes what it knows.

    Attributes:
        output: form of the tensors, of targets that write them: dtype, arithmetic, pruned, with another VAE.
        overwrite: replace files that exist.
        with_recipe: whether the files name recipe and parents where the form lets them.
        rank: of a LoRA, at most.
        linked: ComfyUI: say ratios outside of 0 to 1 by linked primitives, which its nodes do not document.
        progress: called with (bytes written, bytes in all).
    """

    output: Output = field(default_factory=Output)
    overwrite: bool = False
    with_recipe: bool = True
    rank: int = 64
    linked: bool = False
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing that a target cannot hold.

    Attributes:
        what: a sentence without its full stop, for people.
        keys: the tensors that would be wrong.
    """

    what: str
    keys: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentence, with the first of the keys."""
        if not self.keys:
            return self.what
        more = f" and {len(self.keys) - _SHOWN_KEYS} more" if len(self.keys) > _SHOWN_KEYS else ""
        return f"{self.what}: {', '.join(self.keys[:_SHOWN_KEYS])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenExport:
    """What an export wrote.

    Attributes:
        files: the file that was asked for, then those beside it.
        arithmetic: folded (every tensor is one sum, rounded once) or exact (step by step, as SuperMerger).
        tricks: what makes it exact and is not plain to see, a sentence each.
        notes: what the other tool does otherwise, or what to mind, a sentence each.
        usage: how to use it, a line each.
    """

    files: tuple[Path, ...]
    arithmetic: Literal["folded", "exact"] = "folded"
    tricks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTarget:
    """One form.

    Attributes:
        refusals: what it cannot hold of a recipe; empty where it can hold all of it. May open the models.
        write: writes it: called only where nothing is refused, and where no file is in the way of the first path.
    """

    refusals: Callable[[ExportContent, ExportOptions], Sequence[Refusal]]
    write: Callable[[ExportContent, Path, ExportOptions], WrittenExport]


def write_files(content: Mapping[Path, str | bytes], *, overwrite: bool) -> tuple[Path, ...]:
    """Write several files, whole or not at all; none where one of them is in the way.

    Args:
        content: texts and bytes by path; a text ends as it is given, with newlines as they are.
        overwrite: replace files that exist.

    Raises:
        CheckpointError: a file exists, or a path is a folder or cannot be written.
    """
    check_free(content, overwrite=overwrite)
    for path, what in content.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced(path) as temporary:
                temporary.write_bytes(what.encode("utf-8") if isinstance(what, str) else what)
        except OSError as error:
            raise CheckpointError(
                f"cannot be written ({error.strerror})", place=(path,), remedy="check the folder"
            ) from error
    return tuple(content)


def check_free(paths: Mapping[Path, object] | Sequence[Path], *, overwrite: bool) -> None:
    """Refuse paths that are taken.

    Raises:
        CheckpointError: every file that exists and may not be replaced, and every folder.
    """
    problems: list[Problem] = []
    for path in paths:
        kind = file_kind(path)
        if kind == "folder":
            problems.append(Problem(place=(path,), what="is a folder", remedy="choose another name"))
        elif kind and not overwrite:
            problems.append(
                Problem(place=(path,), what="already exists", remedy="choose another name, or add --overwrite")
            )
    if problems:
        raise CheckpointError.of(problems)


def check_no_model(path: Path, content: ExportContent) -> None:
    """Refuse the path of a model of the recipe, which is never replaced.

    Raises:
        CheckpointError: it is one.
    """
    for name, model in content.models.items():
        if file_kind(path) and file_kind(model) and path.samefile(model):
            raise CheckpointError(
                f"is the file of the model {name}, which is never replaced", place=(path,), remedy="choose another name"
            )


def refused(name: str, refusals: Sequence[Refusal], nearest: str | None) -> RecipeError:
    """Return the error that says what a target cannot hold, and which other can."""
    remedy = f"export it to {nearest} instead" if nearest else ""
    return RecipeError.of(
        [Problem(place=(Named(name),), what=one.text, remedy=remedy) for one in refusals],
        f"the target {name}" if len(refusals) > 1 else "",
    )
