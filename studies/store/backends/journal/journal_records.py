"""The records of a journal, read line by line: those that are whole, and the gaps where something is damaged.

A record says what was done to the studies in the journal, in Optuna's words (`JournalOperation`). Which study or trial
it is about is a number that no record holds: studies and trials are counted as they are created.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.storages.journal._storage import JournalOperation as Operation

from studies.store.shapes import Shape, misfit, parsed

Record = dict[str, Any]
"""One record, as Optuna writes it."""
BEGINNING = b'{"op_code":'
"""What every record begins with."""
CREATES_STUDY = BEGINNING + b"0,"
"""What a record begins with that creates a study."""

NUMBER, TEXTS = (float, None), {str: str}
NOTES: Mapping[str, Shape] = {
    "inputs": TEXTS,
    "judged by": {str: (str, [str], {str: (str, float)})},
    "surroundings": TEXTS,
    "calibration": [str],
    "switched off": [str],
    "noise": {"shots?": int, "fresh?": bool, "paired?": float, "common?": float, "between": float},
    "proofs": [str],
    "proved": {"at": float, "trials": int},
    "after proof": {"trials": int},
    "forked": {"study": str, "file": str, "at": float},
    "searched": [{"at": float, "trials": int, "settings": TEXTS, "versions": TEXTS}],
    "whole": bool,
    "dashboard artifacts": TEXTS,
}
"""The shapes of the notes about a study, by key."""
ATTRIBUTES: Mapping[str, Shape] = {
    "name": str,
    "stage": str,
    "slots": [int],
    "worker": str,
    "recipe": str,
    "recipe_key": str,
    "vae": str,
    "standard_error": NUMBER,
    "interval": ([NUMBER], None),
    "scores": {str: {"raw": NUMBER, "scaled": NUMBER, "standard_error?": NUMBER}},
    "aspects": {str: {"value": NUMBER, "standard_error?": NUMBER, "interval": ([NUMBER], None)}},
    "penalties": {str: float},
    "remarks": [str],
    "seconds": {str: float},
    "reason": str,
    "lost": int,
    "value before": NUMBER,
}
"""The shapes of a trial's attributes, by key."""
VALUES = (float, None)
_TRIAL: Mapping[str, Shape] = {
    "study_id": int,
    "datetime_start": (str, None),
    "datetime_complete?": str,
    "state?": int,
    "value?": VALUES,
    "values?": ([float], None),
    "distributions?": TEXTS,
    "params?": {str: float},
    "user_attrs?": dict,
    "system_attrs?": dict,
    "intermediate_values?": dict,
}
_SHAPES: Mapping[int, Shape] = {
    Operation.CREATE_STUDY: {"study_name": str, "directions": [int]},
    Operation.DELETE_STUDY: {"study_id": int},
    Operation.SET_STUDY_USER_ATTR: {"study_id": int, "user_attr": dict},
    Operation.SET_STUDY_SYSTEM_ATTR: {"study_id": int, "system_attr": dict},
    Operation.CREATE_TRIAL: _TRIAL,
    Operation.SET_TRIAL_PARAM: {"trial_id": int, "param_name": str, "param_value_internal": float, "distribution": str},
    Operation.SET_TRIAL_STATE_VALUES: {
        "trial_id": int,
        "state": int,
        "values": ([float], None),
        "datetime_start?": str,
        "datetime_complete?": str,
    },
    Operation.SET_TRIAL_INTERMEDIATE_VALUE: {"trial_id": int, "step": int, "intermediate_value": float},
    Operation.SET_TRIAL_USER_ATTR: {"trial_id": int, "user_attr": dict},
    Operation.SET_TRIAL_SYSTEM_ATTR: {"trial_id": int, "system_attr": dict},
    Operation.DISCARD_TRIALS: {},
}
STATES = range(5)
"""The numbers of Optuna's states of a trial."""
COMPLETE = 1
FINISHED = (1, 2, 3)
"""States after which nothing more may be said of a trial: complete, pruned, failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A damaged line, or what is left of it beside the records that could be read."""

    text: bytes

    @property
    def began_trial(self) -> bool:
        """Whether its text says that it created a trial."""
        return f'"op_code":{int(Operation.CREATE_TRIAL)},'.encode() in self.text


@dataclass(slots=True, kw_only=True)
class JournalContent:
    """What a journal holds, in order."""

    entries: list[Record | Gap] = field(default_factory=list["Record | Gap"])
    damaged: list[int] = field(default_factory=list[int])
    """Numbers of the damaged lines, from 1."""

    @property
    def records(self) -> list[Record]:
        """Those that can be read."""
        return [entry for entry in self.entries if not isinstance(entry, Gap)]


def is_torn(tail: bytes) -> bool:
    """Whether a last line without an end is a record that its writer could not finish, or what a power cut leaves."""
    text = tail.strip(b"\0")
    return not text or (text.startswith(b"{") and text.count(BEGINNING) < 2)


def read_journal(journal: Path) -> JournalContent:
    """Read a journal; a last record that was never finished is left out, without being damage."""
    *lines, tail = journal.read_bytes().split(b"\n")
    content = read_records([*lines, *([] if is_torn(tail) else [tail])])
    if content.records and content.entries[0] is content.records[0] and "study_name" not in content.records[0]:
        content.entries.insert(0, Gap(text=b""))  # its beginning is lost: every journal begins with a study
        content.damaged.insert(0, 1)
    return content


def sound_records(journal: Path) -> int | None:
    """Return how many records a journal has; None where `read_journal` finds damage. Nothing is kept in memory."""
    count = 0
    with journal.open("rb") as file:
        for line in file:
            text = line.removesuffix(b"\n")
            if text == line and is_torn(text):
                break
            record = _record_of(text)
            if record is None or (not count and "study_name" not in record):
                return None
            count += 1
    return count


def read_records(lines: Sequence[bytes]) -> JournalContent:
    """Read the lines of a journal."""
    content = JournalContent()
    for number, line in enumerate(lines, start=1):
        record = _record_of(line)
        if record is not None:
            content.entries.append(record)
            continue
        content.damaged.append(number)
        content.entries += [Gap(text=line), *_records_within(line)]
    return content


def _record_of(text: bytes) -> Record | None:
    try:
        value = parsed(text)
    except ValueError:
        return None
    return value if is_record(value) else None


def _records_within(line: bytes) -> list[Record]:
    """Whole records in a damaged line: one that was appended to half of another."""
    text, found, place = line.decode(errors="replace"), list[Record](), 0
    while (place := text.find(BEGINNING.decode(), place + 1)) >= 0:
        try:
            value, _ = json.JSONDecoder().raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        if is_record(value):
            found.append(value)
    return found


def is_record(value: Any) -> bool:
    """Whether a JSON value is a record that Optuna and we can read."""
    if misfit(value, {"op_code": int, "worker_id": str}) is not None or value["op_code"] not in _SHAPES:
        return False
    if misfit(value, _SHAPES[value["op_code"]]) is not None:
        return False
    return (
        _are_numbers(value)
        and _are_times(value)
        and _are_attributes(value)
        and _are_parameters(value)
        and value.get("state", 0) in STATES
        and not (value["op_code"] == Operation.SET_TRIAL_STATE_VALUES and _lacks_its_end(value))
    )


def _lacks_its_end(record: Record) -> bool:
    if record["state"] == 0:
        return "datetime_start" not in record
    unvalued = record["state"] == COMPLETE and not record["values"]
    return record["state"] in FINISHED and ("datetime_complete" not in record or unvalued)


def _are_numbers(record: Record) -> bool:
    """Whether ids count from 0, and what is searched and measured is finite."""
    ids = [record[name] for name in ("study_id", "trial_id") if name in record]
    measured = [*(record.get("values") or []), *record.get("params", {}).values()]
    measured += [record[name] for name in ("value", "param_value_internal") if record.get(name) is not None]
    directions = record.get("directions", [])
    return min(ids, default=0) >= 0 and all(map(math.isfinite, measured)) and all(one in range(3) for one in directions)


def _are_times(record: Record) -> bool:
    times = [record[name] for name in ("datetime_start", "datetime_complete") if record.get(name) is not None]
    try:
        for time in times:
            datetime.fromisoformat(time).astimezone()
    except (ValueError, OverflowError, OSError):
        return False
    return True


def _are_attributes(record: Record) -> bool:
    about_study = record["op_code"] == Operation.SET_STUDY_USER_ATTR
    own = [record[name] for name in ("user_attr", "user_attrs") if name in record]
    single = [record[name] for name in ("user_attr", "system_attr") if name in record]
    if any(len(one) != 1 for one in single) or any(not isinstance(key, str) for one in own for key in one):
        return False
    shapes = NOTES if about_study else ATTRIBUTES
    pairs = [(key, value) for one in own for key, value in one.items()]
    error = next((value for key, value in pairs if key == "standard_error"), None)
    sound = error is None or (isinstance(error, int | float) and 0 <= error < math.inf)
    begun = record["op_code"] != Operation.CREATE_TRIAL or "stage" in record.get("user_attrs", {})
    return sound and begun and all(misfit(value, shapes[key]) is None for key, value in pairs if key in shapes)


def _are_parameters(record: Record) -> bool:
    texts = [*record.get("distributions", {}).values(), *([record["distribution"]] if "distribution" in record else [])]
    if not all(map(_is_distribution, texts)):
        return False
    return record.get("params", {}).keys() <= record.get("distributions", {}).keys()


@lru_cache(maxsize=1000)
def _is_distribution(text: str) -> bool:
    try:
        json_to_distribution(text)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return True
