"""Rows of ``mergehistory.csv``, SuperMerger's list of what was merged, written and read.

The header has 16 names, the rows 23 cells (19 until October 2023), so header and rows part after "use MBW". A row
names models by the first ten digits of their SHA-256. It is the only place where SuperMerger keeps Adjust, gamma and
the seed; "Load settings from ID" takes a row back in.
"""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.recipes.adjust import parse_adjust, to_seven
from engine.recipes.dialects import SEVEN_FIELDS, Dialect, dialect_of
from engine.recipes.elemental import parse_elemental
from engine.recipes.presets import NO_PRESETS, OwnPresets
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep, number
from engine.supermerger.fields import (
    GAMMA,
    OLD_ARITHMETIC,
    FilterMode,
    Reading,
    RunFields,
    adjust_line,
    fields_of,
    step_of,
)
from engine.supermerger.notes import family_note, notes_on, weights_lost
from engine.supermerger.versions import (
    EIGHT_FIELDS_SINCE,
    day_of,
    dialect_of_row,
    family_of_counts,
    fault_notes,
    has_eight_fields,
)

HEADER = (
    "ID", "time", "name", "weights alpha", "weights beta", "model A", "model B", "model C", "alpha", "beta", "mode",
    "use MBW", "plus lora", "custum name", "save setting", "use ID",
)  # fmt: skip
CELLS = (
    "ID", "time", "name", "weights alpha", "weights beta", "model A", "model B", "model C", "alpha", "beta", "mode",
    "use MBW", "custom name", "save settings", "id sets", "elemental", "calculation mode", "seed", "Adjust", "gamma",
    "include/exclude", "blocks", "elements",
)  # fmt: skip
"""What the cells of a row really are."""
CELLS_2023 = 19
SHORT = 10
"""Digits of a short hash."""
_SAVE_OPTIONS = {"prune": "--prune", "Reset CLIP ids": "--reset-clip-ids"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One row as its cells.

    Attributes:
        cells: 19 or 23 texts, see ``CELLS``.
        line: its first line in the file, from 1.
    """

    cells: tuple[str, ...]
    line: int

    @property
    def number(self) -> str:
        """Its ID."""
        return self.cells[0]

    def cell(self, name: str) -> str:
        """A cell by its real name; "" where the row is too short to have it."""
        place = CELLS.index(name)
        return self.cells[place] if place < len(self.cells) else ""


# --------------------------------------------------------------------------------------------------------- writing


def header_line() -> str:
    """The first line of the file, as SuperMerger writes it."""
    return _line(HEADER)


def history_line(
    run: MergeStep,
    dialect: Dialect,
    family: FamilyName,
    hashes: Mapping[str, str],
    *,
    number_of_row: int,
    time: str,
    name: str = "",
    half: bool = True,
) -> str:
    """One row for a run, with its newline.

    Args:
        run: a run on models of files, not on results of other runs.
        dialect: how many cells there are.
        family: of the models.
        hashes: SHA-256 by name of model.
        number_of_row: the ID; SuperMerger takes the number of lines before it.
        time: ``YYYY.MM.DD HH.MM.SS``.
        name: of the result.
        half: whether it is saved as fp16.

    Raises:
        RecipeError: the hash of a model is missing.
    """
    fields = fields_of(run, dialect, family)
    cells = [str(number_of_row), time, name, fields.weights_alpha, fields.weights_beta]
    cells += [_short_hash(model or fields.models[0], hashes) for model in fields.models]
    cells += [_decimal(fields.alpha), _decimal(fields.beta), f"{fields.mode}:{run.pair.merge.formula}"]
    cells += [str(fields.mbw), name, str(_save_settings(fields, half=half)), "[]", fields.elemental]
    cells += [fields.calculation, str(-1 if fields.seed is None else fields.seed), fields.adjust]
    if dialect.filters:
        chosen = run.filter
        blocks, elements = (chosen.blocks, chosen.elements) if chosen else ((), ())
        cells += [number(fields.gamma), fields.filter_mode, str([*blocks]), ",".join(elements)]
    return _line(cells)


def _line(cells: list[str] | tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _decimal(value: float) -> str:
    return repr(float(value))


def _save_settings(fields: RunFields, *, half: bool) -> list[str]:
    settings = {"safetensors": True, "fp16": half, OLD_ARITHMETIC: fields.old_arithmetic}
    return [setting for setting, on in settings.items() if on]


def _short_hash(name: str, hashes: Mapping[str, str]) -> str:
    if name not in hashes:
        raise RecipeError(
            f"mergehistory.csv names models by SHA-256, and that of {name} is not known",
            remedy=f"name its file (--model {name}=PATH), and for the result of another run merge that one first",
        )
    return hashes[name][:SHORT]


# --------------------------------------------------------------------------------------------------------- reading


def parse_history(text: str, where: str = "mergehistory.csv") -> tuple[HistoryRow, ...]:
    """The rows of the file, or of some lines of it; the header may be missing.

    Raises:
        RecipeError: a row has too few cells; with its line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    found: list[HistoryRow] = []
    line = 1
    try:
        for cells in reader:
            if cells and cells[: len(HEADER[:2])] != [*HEADER[:2]]:
                found.append(_history_row(cells, line, where))
            line = reader.line_num + 1
    except csv.Error as error:
        raise RecipeError(
            f"{where}, line {line}: is no CSV ({error})", remedy="copy the rows out of the file whole"
        ) from None
    return tuple(found)


def _history_row(cells: list[str], line: int, where: str) -> HistoryRow:
    if len(cells) < CELLS_2023:
        raise RecipeError(
            f"{where}, line {line}: a row of mergehistory.csv has {len(CELLS)} cells ({CELLS_2023} until October "
            f"2023), this one has {len(cells)}",
            remedy="copy whole rows (one may go over several lines)",
        )
    return HistoryRow(cells=tuple(cells[: len(CELLS)]), line=line)


def row_of(rows: tuple[HistoryRow, ...], row_id: int, where: str = "mergehistory.csv") -> HistoryRow:
    """A row by its ID, or from the end by a negative number (-1: the last).

    Raises:
        RecipeError: there is none.
    """
    if row_id < 0 and -row_id <= len(rows):
        return rows[row_id]
    for row in rows:
        if row_id >= 0 and row.number.strip() == str(row_id):
            return row
    known = f"IDs {rows[0].number} to {rows[-1].number}, or -1 to -{len(rows)}" if rows else "no rows at all"
    raise RecipeError(f"{where}: there is no row {row_id}", remedy=f"there are {known}")


def recipe_of_row(
    row: HistoryRow,
    dialect: Dialect | None,
    family: FamilyName | None,
    own: OwnPresets = NO_PRESETS,
    *,
    extended: bool = False,
) -> Reading:
    """The recipe of a row, on models A, B and C; the same hash is the same model.

    Args:
        row: the row.
        dialect: of the SuperMerger that wrote it; None: that of its time, with a note.
        family: of the models; None: SDXL by its weights, else SD1, with a note.
        own: presets of one's own.
        extended: "use extended XL", which a row does not record.

    Raises:
        RecipeError: a cell cannot be read; with its line and name.
    """
    known, guess = family, None
    try:
        fields, sources = _row_fields(row)
        fields = replace(fields, extended=extended)
        family = known or family_of_counts([row.cell("weights alpha").count(",") + 1]) or "sd1"
        if dialect is None:
            guess = dialect_of_row(row.cell("time"), family, filters=len(row.cells) > CELLS_2023)
        rules = dialect or dialect_of(guess.name if guess else "")
        fields, translated = _with_adjust_of_its_time(fields, row, rules, family)
        step = step_of(fields, rules, family, own)
        save = "fp16" if "fp16" in row.cell("save settings") else "computed"
        recipe = Recipe(steps=(step,), dialect=rules.name, family=family, save=save)
    except RecipeError as error:
        raise error.under(Named(f"mergehistory.csv, line {row.line}, ID {row.number}")) from None
    notes = [guess.note] if guess else []
    notes += [family_note(family, "a row of mergehistory.csv does")] if known is None else []
    notes += [*notes_on(fields, rules), *translated, *_row_notes(row, recipe)]
    return Reading(recipe=recipe, sources={name: sources[name] for name in recipe.models}, notes=tuple(notes))


def _with_adjust_of_its_time(
    fields: RunFields, row: HistoryRow, dialect: Dialect, family: FamilyName
) -> tuple[RunFields, list[str]]:
    """The fields with an Adjust of eight numbers as the seven that do the same: for some weeks rows had both."""
    short = len(row.cells) <= CELLS_2023 and len(dialect.adjust_fields) == len(SEVEN_FIELDS)
    if not short or not has_eight_fields(fields.adjust, day_of(row.cell("time"))):
        return fields, []
    eight = parse_adjust(fields.adjust, dialect_of("classic"))
    if not eight:
        return fields, []
    text = adjust_line(tuple(round(value, 12) for value in to_seven(eight, family)))
    note = f"Adjust {fields.adjust} is of eight fields, which came on {EIGHT_FIELDS_SINCE}; the seven that do the same"
    return replace(fields, adjust=text), [f"{note} are {text}"]


def _row_notes(row: HistoryRow, recipe: Recipe) -> Iterator[str]:
    """What a row does not record, or records and no recipe holds."""
    (run,) = recipe.runs
    yield from fault_notes(run, recipe.family, day_of(row.cell("time")))
    for side, blocks in weights_lost(run, recipe.rules, recipe.family).items():
        yield (
            f"this row cannot be rebuilt: the dialect {recipe.dialect} writes 0 in place of the {side} weight of every "
            f"block of which {row.cell('include/exclude').strip()} skips a key, and in {', '.join(blocks)} other keys "
            "were merged with the weight that is lost; write the weights that were set"
        )
    if recipe.rules.extended and recipe.family == "sdxl" and not run.extended:
        yield 'mergehistory.csv does not keep "use extended XL"; write extended = true if it was ticked'
    yield "mergehistory.csv does not keep a VAE that was baked in; bake it in with --vae"
    if any(rule.ratio == "X" for rule in parse_elemental(run.elemental, run.calculation)):
        yield "mergehistory.csv does not keep the limits of random ratios; those of X are taken as 0 and 1"
    if options := [option for setting, option in _SAVE_OPTIONS.items() if setting in row.cell("save settings")]:
        yield f"it was saved with what recipe-search merge has as {' '.join(options)}"


def _cell_switch(row: HistoryRow, name: str) -> bool:
    text = row.cell(name).strip()
    if text not in ("True", "False"):
        raise RecipeError(f"cell {CELLS.index(name)} ({name}) is {text!r}", remedy="True or False belongs there")
    return text == "True"


def _row_fields(row: HistoryRow) -> tuple[RunFields, dict[str, str]]:
    hashes = [row.cell(f"model {letter}").strip() for letter in "ABC"]
    first = {short: letter for letter, short in reversed([*zip("ABC", hashes, strict=True)]) if short}
    sources = {letter: f"sha256 {short}.." for short, letter in first.items()}
    fields = RunFields(
        models=("A", first.get(hashes[1], "B"), first.get(hashes[2], "")),
        mode=row.cell("mode").partition(":")[0],
        calculation=row.cell("calculation mode"),
        mbw=_cell_switch(row, "use MBW"),
        alpha=_cell_number(row, "alpha", 0.0 if _cell_switch(row, "use MBW") else None),
        beta=_cell_number(row, "beta", 0.0),
        weights_alpha=row.cell("weights alpha"),
        weights_beta=row.cell("weights beta"),
        elemental=row.cell("elemental").replace("\r\n", "\n"),
        adjust=row.cell("Adjust"),
        seed=_seed(row),
        gamma=_cell_number(row, "gamma", GAMMA),
        filter_mode=_filter_mode(row),
        filtered=(*_listed(row, "blocks"), *row.cell("elements").split(",")),
        old_arithmetic=OLD_ARITHMETIC in _listed(row, "save settings"),
    )
    return fields, {"A": "unknown", "B": "unknown", "C": "unknown"} | sources


def _cell_number(row: HistoryRow, name: str, missing: float | None) -> float:
    text = row.cell(name).strip()
    try:
        return missing if missing is not None and not text else float(text)
    except ValueError:
        raise RecipeError(f"cell {CELLS.index(name)} ({name}) is {text!r}", remedy="a number belongs there") from None


def _seed(row: HistoryRow) -> int | None:
    seed = _cell_number(row, "seed", -1)
    return int(seed) if 0 <= seed < 2**32 else None


def _filter_mode(row: HistoryRow) -> FilterMode:
    match row.cell("include/exclude").strip():
        case "" | "Off":
            return "Off"
        case "Include":
            return "Include"
        case "Exclude":
            return "Exclude"
        case other:
            raise RecipeError(f"cell 20 (include/exclude) is {other!r}", remedy="Off, Include or Exclude belongs there")


def _listed(row: HistoryRow, name: str) -> tuple[str, ...]:
    """A cell with the text of a list, ``['safetensors', 'fp16']``."""
    text = row.cell(name).strip()
    if not text:
        return ()
    try:
        found: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise RecipeError(
            f"cell {CELLS.index(name)} ({name}) is {text!r}", remedy="a list such as ['BASE'] belongs there"
        )
    return tuple(str(word) for word in found)
