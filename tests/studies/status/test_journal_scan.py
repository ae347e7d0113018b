"""The quick reading of a journal agrees with Optuna's, whatever happened to the journal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from optuna.trial import TrialState

from search.suggester import Proposal
from studies.status.journal_scan import JournalScan, ScannedStudy
from studies.store.note_keys import INPUTS, NOISE, PROVED
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.store.test_storage import DISTRIBUTIONS, POINT


def scanned(folder: Path, name: str = "small") -> ScannedStudy:
    found = JournalScan(folder / "journal.log").read().study(name)
    assert found is not None
    return found


def test_trials_and_notes_are_those_that_optuna_reads(copied: Path) -> None:
    folder = read_study_file(copied).storage.folder
    store, study = StudyStore(folder, "small"), scanned(folder)
    trials = store.study.get_trials()
    assert len(trials) == 13
    assert [(one.number, one.score, one.stage, one.worker) for one in study.trials] == [
        (one.number, one.value, one.user_attrs["stage"], one.user_attrs["worker"]) for one in trials
    ]
    assert all(one.begun and one.ended and one.standing == "scored" for one in study.trials)
    assert sum(one.pictures(4) for one in study.trials) == 4 * len(trials)
    assert {key: study.notes[key] for key in (INPUTS, NOISE, PROVED)} == {
        key: store.noted(key) for key in (INPUTS, NOISE, PROVED)
    }


def test_every_standing_of_a_trial(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    proposal = Proposal(stage="blocks", point=POINT, slots=(1, 3))
    store.begin(proposal, DISTRIBUTIONS, "41-ab")
    store.reap()
    store.fail(store.begin(proposal, DISTRIBUTIONS, "41-ab"), "no memory")
    store.fail(store.begin(proposal, DISTRIBUTIONS, "41-ab"), "infeasible: all black")
    store.study.tell(store.begin(proposal, DISTRIBUTIONS, "41-ab"), 0.5)
    stopped = store.begin(proposal, DISTRIBUTIONS, "41-ab")
    stopped.set_user_attr("stopped", {"drawn": [1], "shots": 2, "difference": -1.0, "upper": -0.5})
    store.study.tell(stopped, -1.0)
    store.begin(proposal, DISTRIBUTIONS, "41-ab")
    trials = scanned(tmp_path, "one").trials
    assert [one.standing for one in trials] == ["interrupted", "failed", "broken", "scored", "scored", "running"]
    assert [one.pictures(8) for one in trials] == [0, 0, 2, 2, 1, 0]
    assert [one.reason for one in trials[:3]] == ["interrupted", "no memory", "infeasible: all black"]


def test_the_newest_whole_scoring_counts(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.study.tell(store.begin(Proposal(stage="flat", point=POINT), DISTRIBUTIONS), 0.5)
    next_one = store.successor()
    next_one.copy(store.study.get_trials()[0], 2.5, {"stage": "flat"})
    assert scanned(tmp_path, "one").trials[0].score == 0.5
    next_one.seal()
    assert [(one.number, one.score) for one in scanned(tmp_path, "one").trials] == [(0, 2.5)]
    store = StudyStore(tmp_path, "one")
    store.successor()
    store.successor()  # which deletes what the first attempt left
    assert scanned(tmp_path, "one").trials[0].score == 2.5


def test_a_second_look_reads_only_what_was_appended(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    scan = JournalScan(tmp_path / "journal.log").read()
    trial = store.begin(Proposal(stage="flat", point=POINT), DISTRIBUTIONS)
    lines = (tmp_path / "journal.log").read_bytes()
    (tmp_path / "journal.log").write_bytes(lines[:-5])  # a record that is being written
    assert scan.read().study("one") == ScannedStudy(name="one")
    (tmp_path / "journal.log").write_bytes(lines)
    study = scan.read().study("one")
    assert study is not None
    assert [one.standing for one in study.trials] == ["running"]
    store.study.tell(trial, 1.0)
    scan.read()
    assert [one.score for one in study.trials] == [1.0]
    assert scan.damaged == 0


def test_another_journal_in_its_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, count in ((one, 3), (other, 1)):
        folder.mkdir()
        store = StudyStore(folder, "one")
        for _ in range(count):
            store.study.tell(store.begin(Proposal(stage="flat", point=POINT), DISTRIBUTIONS), 1.0)
    scan = JournalScan(one / "journal.log").read()
    os.replace(other / "journal.log", one / "journal.log")  # noqa: PTH105
    study = scan.read().study("one")
    assert study is not None
    assert len(study.trials) == 1


def test_records_that_are_spelled_with_other_spaces_are_read_too(copied: Path) -> None:
    folder = read_study_file(copied).storage.folder
    journal, before = folder / "journal.log", scanned(folder)
    journal.write_text("".join(json.dumps(json.loads(line)) + "\n" for line in journal.read_text().splitlines()))
    assert scanned(folder) == before


def test_damaged_lines_are_counted_and_passed_over(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.study.tell(store.begin(Proposal(stage="flat", point=POINT), DISTRIBUTIONS), 1.0)
    with (tmp_path / "journal.log").open("ab") as file:
        file.write(b'{"op_code":6,"worker_id":"x","trial_id":99,"state":1,"values":[1.0]}\n')
        file.write(b'{"op_code":4,"worker_id":\n\xff\xfe\n')
    scan = JournalScan(tmp_path / "journal.log").read()
    study = scan.study("one")
    assert study is not None
    assert len(study.trials) == 1
    assert scan.damaged == 3
    assert JournalScan(tmp_path / "none.log").read().study("one") is None


def grown(journal: Path, count: int) -> None:
    """Let a real journal have so many trials, by repeating those that it has."""
    head: list[dict[str, object]] = []
    trials: list[list[dict[str, object]]] = []
    for line in journal.read_text().splitlines():
        record = json.loads(line)
        if record["op_code"] == 4:
            trials.append([record])
        elif "trial_id" in record:
            trials[record["trial_id"]].append(record)
        else:
            head.append(record)
    repeated = [
        {**record, "trial_id": number} if "trial_id" in record else record
        for number in range(count)
        for record in trials[number % len(trials)]
    ]
    journal.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in [*head, *repeated]))


def test_five_thousand_trials_take_less_than_a_second_and_load_nothing_heavy(copied: Path) -> None:
    grown(copied.parent / "runs/small/journal.log", 5000)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom studies.status.watched import WatchedStudies\n"
        "from studies.status.text import screen\n"
        "(study,) = WatchedStudies([Path(sys.argv[1])]).look()\nprint(*screen(study), sep='\\n')\n"
        "print(time.process_time(), *{'torch', 'optuna', 'pandas', 'PIL', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(copied)], capture_output=True, text=True, check=True)
    *lines, last = done.stdout.splitlines()
    assert "5000 of 5000 trials, 20,000 pictures" in lines[0]
    assert last.split()[1:] == []
    assert float(last) < 1, "seconds of the processor, those of starting Python among them"


def test_the_states_are_optunas() -> None:
    assert (TrialState.RUNNING.value, TrialState.COMPLETE.value, TrialState.FAIL.value) == (0, 1, 3)
