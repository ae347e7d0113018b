"""A journal put together again from what can be read of it, so that every study and trial keeps its number.

Records name studies and trials by how many were created before. A damaged record may have created one: then a record
after it names one too many, and a stand-in takes its place. A trial that lost a part of its record is marked as cut
short, so that its candidate is tried again; its pictures are kept, so that costs little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from optuna.storages.journal._storage import JournalOperation as Operation

from studies.store.backends.journal.journal_records import COMPLETE, FINISHED, Gap, JournalContent, Record
from studies.store.records import INTERRUPTED, UNREADABLE, VERDICT

FAILED = 3
"""Optuna's number of the state of a failed trial."""
RECIPE = ("recipe", "recipe_key")
"""Names of the attributes that say what a trial tried."""
WRITER = "repair"
"""Who wrote a record that stands in for a damaged one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltJournal:
    """A journal without gaps."""

    records: tuple[Record, ...]
    trials: int
    """How many finished trials are whole."""
    lost: int
    """How many trials are to be made again, or cannot be."""


@dataclass(slots=True, kw_only=True)
class _Rebuilding:
    """The records so far, in pieces: one record a piece, or the stand-ins for what a gap held."""

    name: str
    pieces: list[list[Record]] = field(default_factory=list[list[Record]])
    gaps: dict[int, Gap] = field(default_factory=dict[int, Gap])
    """The gaps, by the place of their piece."""
    studies: list[str] = field(default_factory=list[str])
    """The name of every study that was created, "" for one that was deleted."""
    begun: list[int] = field(default_factory=list[int])
    """The piece of every trial that was created, in order."""
    known: int = -1
    """The last piece that created a trial which a later record names: no stand-in may go before it."""

    def add(self, entry: Record | Gap) -> None:
        """Add what comes next in the journal."""
        if isinstance(entry, Gap):
            self.gaps[len(self.pieces)] = entry
            self.pieces.append([])
            return
        if "study_id" in entry:
            self._expect_study(entry["study_id"])
        if "trial_id" in entry:
            self._expect_trial(entry["trial_id"])
        if entry["op_code"] == Operation.CREATE_STUDY:
            self._create_study(entry)
        elif entry["op_code"] == Operation.DELETE_STUDY and entry["study_id"] < len(self.studies):
            self.studies[entry["study_id"]] = ""
        elif entry["op_code"] == Operation.CREATE_TRIAL:
            self.begun.append(len(self.pieces))
        self.pieces.append([entry])

    def _create_study(self, entry: Record) -> None:
        if entry["study_name"] in self.studies and self.gaps:
            number = self.studies.index(entry["study_name"])
            self._put({"op_code": int(Operation.DELETE_STUDY), "worker_id": WRITER, "study_id": number})
            self.studies[number] = ""
        self.studies.append(entry["study_name"])

    def _expect_study(self, number: int) -> None:
        while number >= len(self.studies) and self.gaps:
            name = next(one for n in range(len(self.studies) + 1) if (one := self._title(n)) not in self.studies)
            record = {"op_code": int(Operation.CREATE_STUDY), "worker_id": WRITER, "study_name": name}
            self._put(record | {"directions": [2]})
            self.studies.append(name)

    def _title(self, rescored: int) -> str:
        return f"{self.name} (rescored {rescored})" if rescored else self.name

    def _expect_trial(self, number: int) -> None:
        while number >= len(self.begun) and self.gaps:
            self._expect_study(0)
            place = self._put(_stand_in(max(0, len(self.studies) - 1)))
            self.begun = sorted([*self.begun, place])
        if number < len(self.begun):
            self.known = max(self.known, self.begun[number])

    def _put(self, record: Record) -> int:
        """Put a stand-in where a damaged record may have been; returns the place of its piece."""
        after = [place for place in self.gaps if place > self.known] or [max(self.gaps)]
        if record["op_code"] == Operation.CREATE_TRIAL:
            after = [place for place in after if self.gaps[place].began_trial and not self.pieces[place]] or after
        self.pieces[after[-1]].append(record)
        return after[-1]


def rebuilt(content: JournalContent, name: str) -> RebuiltJournal:
    """Put a journal together again.

    Args:
        content: what can be read of it.
        name: of the study, should its beginning be lost.
    """
    state = _Rebuilding(name=name)
    for entry in content.entries:
        state.add(entry)
    records = [record for piece in state.pieces for record in piece]
    trials = _trials_of(records)
    before = sum(place < max(state.gaps, default=0) for place in state.begun)
    partial = _partial(trials, before) if state.gaps else frozenset[int]()
    lost = partial | {number for number, one in trials.items() if one.is_stand_in}
    whole = sum(one.state in FINISHED and number not in lost for number, one in trials.items())
    return RebuiltJournal(records=tuple(_without(records, partial)), trials=whole, lost=len(lost))


def _stand_in(study: int) -> Record:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return {
        "op_code": int(Operation.CREATE_TRIAL),
        "worker_id": WRITER,
        "study_id": study,
        "datetime_start": now,
        "datetime_complete": now,
        "state": FAILED,
        "value": None,
        "values": None,
        "distributions": {},
        "params": {},
        "user_attrs": {"stage": "flat", "reason": UNREADABLE},
        "system_attrs": {},
        "intermediate_values": {},
    }


@dataclass(slots=True, kw_only=True)
class _TrialParts:
    """What a journal says of a trial."""

    state: int = 0
    names: set[str] = field(default_factory=set[str])
    """Keys of its attributes."""
    is_stand_in: bool = False


def _trials_of(records: Sequence[Record]) -> dict[int, _TrialParts]:
    trials: dict[int, _TrialParts] = {}
    for record in records:
        if record["op_code"] == Operation.CREATE_TRIAL:
            attributes = record.get("user_attrs", {})
            trials[len(trials)] = _TrialParts(
                state=record.get("state", 0),
                names=set(attributes),
                is_stand_in=attributes.get("reason") == UNREADABLE,
            )
        elif (one := trials.get(record.get("trial_id", -1))) is not None and one.state not in FINISHED:
            one.names |= set(record.get("user_attr", {}))
            one.state = record.get("state", one.state)
    return trials


def _partial(trials: Mapping[int, _TrialParts], before: int) -> frozenset[int]:
    """Trials that lost a part of their record: their end, its reason, or attributes that those around them have.

    Args:
        trials: all, by number.
        before: how many of them were created before the last damaged record.
    """
    lost = {number for number, one in trials.items() if one.state == 0 and number < before}
    lost |= {number for number, one in trials.items() if one.state == FAILED and "reason" not in one.names}
    valued = [(number, one.names) for number, one in trials.items() if one.state == COMPLETE]
    counts = Counter(name for _, names in valued for name in names)
    always = {name for name in RECIPE if 2 * counts[name] > len(valued)}
    for place, (number, names) in enumerate(valued):
        around = [names for _, names in valued[max(0, place - 1) : place] + valued[place + 1 : place + 2]]
        expected = set[str].intersection(*around) & {*RECIPE, *VERDICT} if around else set[str]()
        if (expected | always) - names:
            lost.add(number)
    return frozenset(lost)


def _without(records: Sequence[Record], partial: frozenset[int]) -> list[Record]:
    """The records, where partial trials end as cut short."""
    whole: list[Record] = []
    created = -1
    for record in records:
        created += record["op_code"] == Operation.CREATE_TRIAL
        number = created if record["op_code"] == Operation.CREATE_TRIAL else record.get("trial_id")
        if number in partial and record.get("state") in (COMPLETE, FAILED):
            whole += _cut_short(record)
        else:
            whole.append(record)
    return whole


def _cut_short(record: Record) -> list[Record]:
    failed = record | {"state": FAILED, "values": None}
    if record["op_code"] == Operation.CREATE_TRIAL:
        attributes = record.get("user_attrs", {}) | {"reason": INTERRUPTED}
        return [failed | {"value": None, "user_attrs": attributes}]
    reason = {key: record[key] for key in ("worker_id", "trial_id")} | {"user_attr": {"reason": INTERRUPTED}}
    return [{"op_code": int(Operation.SET_TRIAL_USER_ATTR), **reason}, failed]
