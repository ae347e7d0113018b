"""What the list of studies shows of one is what the study's own pages show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.recipes.recipe import Recipe
from search.suggester import Proposal
from studies.errors import StudyError
from studies.pages.reading.reader import StudyReader
from studies.store.backends.journal.workers import joined
from studies.store.backends.requests import FolderRequests
from studies.store.judged.pins import pin_recipe
from studies.store.storage import StudyStore
from tests.studies.pages.made_gallery import write_gallery
from tests.studies.sample_study import write_small_study
from tests.studies.store.test_storage import DISTRIBUTIONS, POINT

RECIPE = 'format = 1\n[[steps]]\nkind = "merge"\nalpha = 0.5\n'


def agreed(file: Path) -> tuple[str, int]:
    """What the list shows, after a comparison with the whole reading."""
    glance, whole = StudyReader(file).glance(), StudyReader(file).read()
    assert (glance.shown_state, glance.ended) == (whole.shown_state, whole.ended)
    return glance.shown_state, glance.ended


def test_a_study_that_was_never_run(tmp_path: Path) -> None:
    file = write_small_study(tmp_path)
    assert agreed(file) == ("new", 0)
    assert not (tmp_path / "runs").exists()


def test_trials_in_work_and_cut_short_are_not_counted(tmp_path: Path) -> None:
    file = write_gallery(tmp_path / "gallery", 70)
    assert agreed(file) == ("unproved", 69)
    store = StudyStore(file.parent / "runs/mix", "mix")
    store.begin(Proposal(stage="blocks", point=POINT), DISTRIBUTIONS, "41-ab")
    assert agreed(file) == ("unproved", 69)
    store.reap()
    assert agreed(file) == ("unproved", 69)


def test_trials_that_came_after_the_proof(copied: Path) -> None:
    assert agreed(copied) == ("proved", 13)
    store = StudyStore(copied.parent / "runs/small", "small")
    store.study.tell(store.begin(Proposal(stage="groups", point=POINT), DISTRIBUTIONS), 1.0)
    assert agreed(copied) == ("unproved", 14)
    copied.write_text(copied.read_text().replace("groups = 1", "groups = 4"))
    assert agreed(copied) == ("stopped", 14)


def test_a_recipe_that_is_approved(copied: Path) -> None:
    pin_recipe(copied.parent / "runs/small", Recipe.parse(RECIPE), source="by hand", models={}, note="", study="small")
    assert agreed(copied)[0] == "approved"


def test_a_night_at_work(copied: Path) -> None:
    folder = copied.parent / "runs/small"
    with joined(folder, lambda: None):
        assert agreed(copied)[0] == "searching"
        FolderRequests(folder).ask("pause")
        assert agreed(copied)[0] == "paused"
        FolderRequests(folder).ask("stop")
        assert agreed(copied)[0] == "stopping"


def test_a_damaged_outcome_is_none(copied: Path) -> None:
    (copied.parent / "runs/small/outcome.json").write_text("{}")
    assert agreed(copied) == ("unproved", 13)


def test_the_newest_scoring_counts(copied: Path) -> None:
    store = StudyStore(copied.parent / "runs/small", "small")
    later = store.successor()
    for trial in store.study.get_trials()[:5]:
        later.copy(trial, 1.0, trial.user_attrs)
    assert agreed(copied)[1] == 13
    later.seal()
    assert agreed(copied)[1] == 5


def test_records_that_are_spelled_otherwise_are_read_wholly(copied: Path) -> None:
    journal = copied.parent / "runs/small/journal.log"
    first, *lines = journal.read_text().splitlines()
    journal.write_text("".join(f"{line}\n" for line in [first, *(json.dumps(json.loads(line)) for line in lines)]))
    assert agreed(copied) == ("proved", 13)


def test_a_journal_without_its_beginning_is_not_that_of_the_study(copied: Path) -> None:
    journal = copied.parent / "runs/small/journal.log"
    journal.write_bytes(journal.read_bytes().partition(b"\n")[2])
    assert agreed(copied)[1] == 0


def cut(lines: list[bytes]) -> list[bytes]:
    return [*lines[:20], lines[20][:40] + lines[21], *lines[22:]]


def zeros(lines: list[bytes]) -> list[bytes]:
    return [*lines[:20], b"\0" * len(lines[20]), *lines[20:]]


def wrong_value(lines: list[bytes]) -> list[bytes]:
    """Damage in a record that holds nothing for the list."""
    (place, *_) = [number for number, line in enumerate(lines) if b'"scores":{' in line]
    return [*lines[:place], lines[place].replace(b'"scores":{', b'"scores":3,"x":{'), *lines[place + 1 :]]


def other_study(lines: list[bytes]) -> list[bytes]:
    first = lines[0].replace(b'"small"', b'"another"')
    return [first, *lines[1:], lines[0]]


@pytest.mark.parametrize("damaged", [cut, zeros, wrong_value, other_study])
def test_a_journal_that_cannot_be_used_is_told_in_the_same_words(
    copied: Path, damaged: Callable[[list[bytes]], list[bytes]]
) -> None:
    journal = copied.parent / "runs/small/journal.log"
    journal.write_bytes(b"".join(damaged(journal.read_bytes().splitlines(keepends=True))))
    with pytest.raises(StudyError) as whole:
        StudyReader(copied).read()
    with pytest.raises(StudyError) as glanced:
        StudyReader(copied).glance()
    assert str(glanced.value) == str(whole.value)
