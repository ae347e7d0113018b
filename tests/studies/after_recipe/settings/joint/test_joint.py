"""All settings at once: two objectives, nothing rendered twice, resumed to the bit, an answer compared again."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from studies.after_recipe.measuring.opened import measuring
from studies.after_recipe.measuring.subject import subject_of
from studies.after_recipe.settings.axes import asked_values
from studies.after_recipe.settings.joint.joint_search import SAME_PICTURES, JointSearch, front_of, most_pictures
from studies.after_recipe.settings.joint.joint_space import UNCHANGED
from studies.after_recipe.settings.joint.joint_trials import JOURNAL, JointTrial, told
from studies.after_recipe.settings.setup import set_up
from studies.after_recipe.settings.shots import judged_shots
from studies.after_recipe.settings.steps import Report
from studies.results.settings import ALIKE_COST, SettingsDifference, SettingsResult
from studies.results.settings_file import read_settings
from studies.studyfile.read import read_study_file

TRY = ("Sampler = Euler a, Euler, UniPC", "CFG Scale = 1, 3", "Steps = 1, 3", "Clip skip = 1")
MOST = 12


@dataclass
class Watched:
    """What a search told of itself."""

    trials: list[JointTrial] = field(default_factory=list[JointTrial])
    drawn: int = 0


def searched(study: Path, trials: int = 7, *, stop_after: int = 0, most: int = MOST) -> tuple[SettingsResult, Watched]:
    """Search the settings of the first finalist of a study; stop as Ctrl+C does after some trials."""
    spec, watched = read_study_file(study), Watched()

    def on_trial(trial: JointTrial) -> None:
        watched.trials.append(trial)
        if len(watched.trials) == stop_after:
            raise KeyboardInterrupt

    with measuring(spec, Console(quiet=True), name="settings") as opened:
        setup = set_up(opened, subject_of(spec, finalist=1), asked_values(TRY), judged_shots(spec.shots, most))
        before = opened.drawn
        try:
            return JointSearch(setup=setup, progress=silent, trials=trials, on_trial=on_trial).run(), watched
        finally:
            watched.drawn = opened.drawn - before


@contextmanager
def silent(_title: str, _most: int) -> Generator[Report]:
    yield lambda label, count: None


def test_a_stopped_search_goes_on_to_the_same_result_and_renders_nothing_twice(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied.parent, tmp_path / "other")
    whole, at_once = searched(copied)
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "other" / "study.toml", stop_after=3)
    result, rest = searched(tmp_path / "other" / "study.toml")
    assert len(at_once.trials) == 7
    assert [trial.places for trial in rest.trials] == [trial.places for trial in at_once.trials[3:]]
    assert without_times(result) == without_times(whole)
    again, nothing = searched(tmp_path / "other" / "study.toml")
    assert (nothing.drawn, nothing.trials) == (0, [])
    assert without_times(again) == without_times(whole)
    check_result(result, read_settings(read_study_file(copied).storage.folder, whole.name))


def without_times(result: SettingsResult) -> SettingsResult:
    return replace(result, joint=tuple(replace(value, seconds=None) for value in result.joint))


def check_result(result: SettingsResult, kept: SettingsResult) -> None:
    """What is written is what was found, and the answer is one that was compared again."""
    assert without_times(kept) == without_times(result)
    assert (result.mode, result.finished) == ("joint", True)
    chosen = next(value for value in result.joint if value.chosen)
    assert chosen.settings == result.final
    start = next(value for value in result.joint if value.is_start)
    assert (start.label, start.settings) == (UNCHANGED, result.start)
    compared = [value for value in result.joint if value.against_best or value.state == "best"]
    assert chosen in compared
    assert start in compared
    good = [value.cost for value in compared if value.state in {"best", "equal"}]
    assert chosen.cost <= ALIKE_COST * min(good), "the cheapest, but for a tenth"
    others = [value for value in result.joint if value not in compared]
    assert all(value.reason for value in others)
    assert any("UniPC" in note and "at least 3" in note for note in result.notes), result.notes
    assert any("compared again on others." in note for note in result.notes)


def test_where_pictures_are_too_few_for_both_the_notes_say_so(copied: Path) -> None:
    notes = " ".join(searched(copied, trials=2, most=8)[0].notes)
    assert SAME_PICTURES in notes
    assert "compared again on the same." in notes
    assert "on others" not in notes


def test_other_values_are_another_search_in_the_same_journal(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched(copied, trials=3)
    alone = ("CFG Scale = 1, 3, 4", "Sampler = DPM++ 2M", "Steps = 2", "Clip skip = 1")
    monkeypatch.setattr("tests.studies.after_recipe.settings.joint.test_joint.TRY", alone)
    result, watched = searched(copied, trials=9)
    assert len(watched.trials) == 4, "every combination, and then it ends"
    assert [value.label for value in result.joint if value.is_start] == [UNCHANGED]
    journal = read_study_file(copied).storage.folder / "settings" / result.subject_key / JOURNAL
    assert journal.read_text().count("study_name") == 2


def trial(mean: float | None, cost: float) -> JointTrial:
    difference = None if mean is None else SettingsDifference(mean=mean, low=0, high=0, pictures=8)
    return JointTrial(places={"Steps": int(cost)}, label=f"{mean} {cost}", cost=cost, difference=difference)


def test_the_front_is_what_nothing_beats_in_both() -> None:
    trials = [trial(1.0, 9.0), trial(0.5, 9.5), trial(0.7, 4.0), trial(None, 1.0), trial(0.7, 5.0), trial(-2.0, 2.0)]
    assert front_of(trials) == [trials[0], trials[2], trials[5]]


def test_what_has_no_score_counts_as_worse_than_all_that_have() -> None:
    values = [one.value for one in told([trial(0.5, 1.0), trial(None, 1.0), trial(-1.0, 1.0)], margin=0.25)]
    assert values == [0.5, -1.25, -1.0]


def test_the_pictures_of_a_joint_search_are_counted_beforehand(copied: Path) -> None:
    """Of 12 judged pictures 8 try a combination, and 4 compare the best of them again."""
    result, _ = searched(copied)
    assert result.pictures <= most_pictures(8, MOST, trials=7) == 7 * 8 + 11 * 4
