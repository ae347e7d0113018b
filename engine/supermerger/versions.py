"""Which version of SuperMerger wrote a row or the metadata of a file, and what that version did wrong.

Neither names its version. A row of mergehistory.csv has a date and a number of cells, metadata have keys that came with
a version. The dates are those of the changes in hako-mikan/sd-webui-supermerger; a row has the date of the merge, in
local time, so a version may also be older than the newest of that day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.architecture.widths import FamilyName
from engine.modes.sums import ADD_DIFFERENCE, NORMAL, TRIPLE_SUM
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, XL_BLOCKS
from engine.recipes.dialects import DEFAULT_DIALECT, EIGHT_FIELDS
from engine.recipes.elemental import parse_elemental
from engine.recipes.steps import MergeStep

EIGHT_FIELDS_SINCE = "2023.10.15"
"""The day on which Adjust got its eighth field."""
FILTERS_SINCE = "2023.11.10"
"""The day on which Include and Exclude, and their cells and keys, came."""
HEAD_SINCE = "2025.11.27"
"""The day since which the newest SuperMerger is the dialect head."""

_OTHER = "--read-as chooses another"
_DATE = re.compile(r"\s*(\d{4}\.\d{2}\.\d{2})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectGuess:
    """The dialect that a text was probably written in.

    Attributes:
        name: of the dialect.
        reason: why, as a part of a sentence.
    """

    name: str
    reason: str

    @property
    def note(self) -> str:
        """The guess as a sentence."""
        return f"read in the dialect {self.name}: {self.reason}; {_OTHER}"


def day_of(time: str) -> str | None:
    """The day of a row, ``2024.03.11``, of which later ones are larger texts; None where there is none."""
    found = _DATE.match(time)
    return found.group(1) if found else None


def dialect_of_row(time: str, family: FamilyName, *, filters: bool) -> DialectGuess:
    """The dialect of a row of mergehistory.csv.

    Args:
        time: its cell of that name.
        family: of the models.
        filters: whether it has the cells of Include and Exclude.
    """
    day = day_of(time)
    if not filters:
        return DialectGuess(name="2023", reason=f"rows have had more cells since {FILTERS_SINCE}")
    if day is None:
        name = DEFAULT_DIALECT[family]
        return DialectGuess(name=name, reason=f"the row has no date, and {name} is the usual one of {family}")
    if day < HEAD_SINCE:
        return DialectGuess(name="classic", reason=f"the row is of {day}, and the dialect head came on {HEAD_SINCE}")
    if family == "sdxl":
        return DialectGuess(name="head", reason=f"the row is of {day}, and the dialect head came on {HEAD_SINCE}")
    reason = f"the row is of {day}, but the dialect head, which came on {HEAD_SINCE}, cannot merge {family}"
    return DialectGuess(name="classic", reason=reason)


def family_of_counts(counts: Sequence[int]) -> FamilyName | None:
    """SDXL, where a row of weights (BASE first) has as many numbers as SDXL alone has blocks; else None."""
    return "sdxl" if {len(XL_BLOCKS), len(EXTENDED_BLOCKS)} & {*counts} else None


def dialect_of_metadata(
    family: FamilyName, *, filters: bool, merged: Sequence[float] | None, typed: str, skipped: Sequence[str]
) -> DialectGuess:
    """The dialect of SuperMerger's metadata.

    Args:
        family: of the models.
        filters: whether they name Off, Include or Exclude.
        merged: the weights that were merged, BASE first; None without.
        typed: the text of the weights, in which head has 0 for blocks of which a filter skipped keys.
        skipped: blocks whose keys a filter skipped.
    """
    if not filters:
        return DialectGuess(name="2023", reason=f"since {FILTERS_SINCE} metadata name Off, Include or Exclude")
    head = "head" if family == "sdxl" else "head_patched"
    if merged is not None and len(merged) == len(EXTENDED_BLOCKS):
        return DialectGuess(name=head, reason=f"it has {len(EXTENDED_BLOCKS)} weights, as only that one takes them")
    if merged is not None and typed.strip() and "," not in typed:
        return DialectGuess(name="classic", reason="it has the weights as they were typed, and head writes numbers")
    if merged is not None and (effective := _effective(merged, typed, skipped)) is not None:
        if effective:
            return DialectGuess(name=head, reason="it has other weights for blocks with skipped keys than were merged")
        return DialectGuess(name="classic", reason="it has weights for skipped blocks, for which head writes 0")
    name = DEFAULT_DIALECT[family]
    if family == "sdxl":
        reason = f"metadata have no date, and {name} is the newest; a merge of before {HEAD_SINCE} is classic"
    else:
        reason = f"the newest dialect, head, cannot merge {family}"
    return DialectGuess(name=name, reason=reason)


def _effective(merged: Sequence[float], typed: str, skipped: Sequence[str]) -> bool | None:
    """Whether the text has 0 in place of merged weights; False where it has weights of skipped blocks; else None."""
    try:
        numbers = [float(word) for word in typed.split(",")]
    except ValueError:
        return None
    names = XL_BLOCKS if len(merged) == len(XL_BLOCKS) else BLOCKS
    found = dict(zip(BLOCKS if len(numbers) == len(BLOCKS) else names, numbers, strict=False))
    pairs = [(found.get(name, 0.0), weight) for name, weight in zip(names, merged, strict=False)]
    if any(not written and weight for written, weight in pairs):
        return True
    return False if any(found.get(name) for name in skipped) else None


# ---------------------------------------------------------------------------------------------------- Adjust of 2023


def has_eight_fields(adjust: str, day: str | None) -> bool:
    """Whether the Adjust text of a row without filters is of eight fields, which came a few weeks before filters."""
    return adjust.count(",") + 1 >= len(EIGHT_FIELDS) or EIGHT_FIELDS_SINCE < (day or "") < FILTERS_SINCE


# ------------------------------------------------------------------------------------------------ errors of some weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """An error that SuperMerger had for some days, both ends included."""

    since: str
    until: str
    concerns: Callable[[MergeStep, FamilyName], bool]
    what: str


def _is_sum(run: MergeStep, mode: str) -> bool:
    return run.mode == mode and run.calculation == NORMAL.name


_FAULTS = (
    _Fault(
        since="2023.07.01",
        until="2023.07.20",
        concerns=lambda run, family: family != "sdxl" and (isinstance(run.alpha, tuple) or bool(run.elemental)),
        what="time_embed belonged to IN00, and in the dialect 2023 it belongs to OUT11",
    ),
    _Fault(
        since=FILTERS_SINCE,
        until="2023.12.15",
        concerns=lambda run, _: _is_sum(run, ADD_DIFFERENCE.name),
        what="Add difference did nothing, so its result is A",
    ),
    _Fault(
        since=FILTERS_SINCE,
        until="2023.12.03",
        concerns=lambda run, _: len(parse_elemental(run.elemental, run.calculation)) > 1,
        what="only the first elemental rule for a block was followed",
    ),
    _Fault(
        since=FILTERS_SINCE,
        until="2023.11.12",
        concerns=lambda run, _: _is_sum(run, TRIPLE_SUM.name),
        what="Triple sum computed in the models' own dtype, which old_arithmetic = true does",
    ),
    _Fault(
        since=FILTERS_SINCE,
        until="2023.11.19",
        concerns=lambda run, _: run.calculation == "self",
        what="Self multiplied every key, as in the dialect 2023, and from 2023.11.17 to 2023.11.19 it added the factor",
    ),
    _Fault(
        since="2025.01.20",
        until="2025.01.21",
        concerns=lambda run, _: _is_sum(run, ADD_DIFFERENCE.name),
        what="Add difference computed A minus alpha times C",
    ),
)


def fault_notes(run: MergeStep, family: FamilyName, day: str | None) -> list[str]:
    """What a SuperMerger of that day did with such a run that no dialect does."""
    return [
        f"this row may not be rebuilt: it is of {day}, and from {fault.since} to {fault.until} SuperMerger had an "
        f"error or another rule: {fault.what}"
        for fault in _FAULTS
        if day is not None and fault.since <= day <= fault.until and fault.concerns(run, family)
    ]
