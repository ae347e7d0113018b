"""The text of a script: what it builds, the models, the tables, the metadata, then the functions."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from engine.exports.script.source import functions, imports
from engine.exports.script.steps import StepTable

_WIDTH = 110
Comment = Callable[[str], str]
"""Says in a word what a beginning of names stands for; "" where there is no word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptText:
    """What a script says.

    Attributes:
        title: of the checkpoint.
        head: lines of comment for its beginning.
        out: the file that it writes where nothing else is asked for.
        models: file, path and sha256, by name.
        vae: the same of a VAE that is baked in.
        tensors: source text of origin and dtype, by the beginnings of names.
        root: the model whose keys the result has.
        metadata: of the new file.
        comment: names beginnings.
    """

    title: str
    head: Sequence[str]
    out: str
    models: Mapping[str, Mapping[str, str]]
    vae: Mapping[str, str] | None
    tensors: Mapping[str, str]
    root: str
    metadata: Mapping[str, str]
    comment: Comment

    def of_steps(self, steps: Sequence[StepTable], *, saved_as_half: bool) -> str:
        """Return the script that merges step by step."""
        used = dict.fromkeys(name for step in steps for name in step.functions)
        tables = [_step_text(number, len(steps), step, self.comment) for number, step in enumerate(steps, start=1)]
        names = ", ".join(f"STEP_{number}" for number in range(1, len(steps) + 1))
        formulas = ", ".join(f"{name!r}: {name}" for name in used)
        return self._text(
            "\n\n".join((*tables, f"STEPS = [{names}]")),
            [*used, "run_steps"],
            f"FORMULAS = {{{formulas}}}\n\n\n"
            "def merge(models):\n"
            f"    return run_steps(models, STEPS, FORMULAS, saved_as_half={saved_as_half})",
        )

    def of_sums(self, weights: Mapping[str, str], shifts: Mapping[str, Sequence[float]]) -> str:
        """Return the script that merges in one pass."""
        table = _table("WEIGHTS", weights, self.comment)
        return self._text(
            "# ---- What each tensor is the weighted sum of, by the longest beginning of its name that is listed.\n"
            f"{table}\nSHIFTS = {literal(dict(shifts))}  # added to a tensor, a number for each channel",
            ["WeightedSums"],
            f"def merge(models):\n    return WeightedSums(models, WEIGHTS, SHIFTS, {self.root!r})",
        )

    def _text(self, tables: str, needed: Iterable[str], merge: str) -> str:
        parts = (
            "\n".join(("#!/usr/bin/env python3", *map(_comment, self.head))),
            imports().rstrip(),
            f"TITLE = {literal(self.title)}\n{_files(self.models)}\nVAE = {_file(self.vae)}  # baked in",
            tables,
            "# ---- The tensors of the new file: from where, in which dtype; None: left out.\n"
            + _table("TENSORS", self.tensors, self.comment),
            "# ---- The metadata of the new file; texts in it are JSON.\n" + _metadata(self.metadata),
            "# ---- From here on nothing is particular to this recipe.",
            functions(("main", *needed)).rstrip(),
            merge,
            'if __name__ == "__main__":',
        )
        call = (
            f"    main(title=TITLE, out={literal(self.out)}, models=MODELS, vae=VAE, tensors=TENSORS,\n"
            f"         root={literal(self.root)}, metadata=METADATA, merge=merge)\n"
        )
        return "\n\n\n".join(parts) + f"\n{call}"


def literal(value: object) -> str:
    """Return source text of a plain value, over several lines where it is long."""
    return pformat(value, width=_WIDTH, sort_dicts=False)


def _files(files: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(("MODELS = {", *(f"    {name!r}: {_file(file)}," for name, file in files.items()), "}"))


def _file(file: Mapping[str, str] | None) -> str:
    if file is None:
        return "None"
    rows = "".join(f"        {name!r}: {value!r},\n" for name, value in file.items())
    return f"{{\n{rows}    }}"


def _comment(text: str) -> str:
    """A line of comment; nothing in it can end it."""
    safe = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"# {safe}".rstrip()


def _table(name: str, lines: Mapping[str, str], comment: Comment) -> str:
    """A dictionary, a beginning of names a line, the words for them in a column."""
    rows = [(f"    {start!r}: {value},", comment(start)) for start, value in lines.items()]
    width = max(len(row) for row, _ in rows)
    return "\n".join((f"{name} = {{", *(f"{row:<{width}}  # {word}" if word else row for row, word in rows), "}"))


def _step_text(number: int, count: int, step: StepTable, comment: Comment) -> str:
    more = {
        "difference": step.difference,
        "factors": step.factors,
        "shifts": step.shifts,
        "rounds to float16": step.halves,
    }
    rest = "".join(f"\n    {name!r}: {literal(value)}," for name, value in more.items() if value)
    table = _table("", step.ratios, comment).removeprefix(" = ").replace("\n", "\n    ")
    return (
        f"{_comment(f'---- Step {number} of {count}: {step.what}')}\n"
        f"STEP_{number} = {{\n"
        f"    'makes': 'step{number}',\n"
        f"    'models': {list(step.models)!r},\n"
        f"    'formula': {step.formula!r},\n"
        f"    'inputs': {list(step.inputs)!r},\n"
        "    # by the longest beginning of a tensor's name that is listed; None: it stays as it is in the first model\n"
        f"    'ratios': {table},{rest}\n"
        "}"
    )


def _metadata(metadata: Mapping[str, str]) -> str:
    rows = "".join(f"    {name!r}: {_metadata_value(text)},\n" for name, text in metadata.items())
    return f"METADATA = {{\n{rows}}}" if rows else "METADATA = {}"


def _metadata_value(text: str) -> str:
    """A JSON text as the value that it stands for, where the same text comes out of it again."""
    try:
        content: Any = json.loads(text)
        shown = literal(content)
        same = json.dumps(ast.literal_eval(shown), ensure_ascii=False) == text
    except (ValueError, RecursionError):
        return repr(text)
    if not same or not isinstance(content, dict):
        return repr(text)
    return f"json.dumps({shown}, ensure_ascii=False)"
