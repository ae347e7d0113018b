"""A new study from another one's trials: what compares is as in a study begun anew, and the other is not touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from studies.cli.main import main
from studies.errors import StudyError
from studies.night.continuing.fork import ForkResult, fork_study
from studies.night.night import Night
from studies.night.proving.proofs import PROOFS
from studies.store.note_keys import FORKED, SEARCHED
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.night.continuing.test_rescore import WEIGHTS
from tests.studies.night.continuing.test_rescore import judged_afresh as judged_in
from tests.studies.read_only import read_only

QUIET = Console(quiet=True)


def changed(study: Path, *replacements: tuple[str, str], end: str = "") -> Path:
    """Write the file of a study called `new`, beside another one's; returns it."""
    text = study.read_text().replace('name = "small"', 'name = "new"')
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    new = study.with_name("new.toml")
    new.write_text(text + end)
    return new


def forked(study: Path, new: Path, *, render: bool = False) -> ForkResult:
    return fork_study(read_study_file(study), read_study_file(new), QUIET, render=render)


def store_of(file: Path) -> StudyStore:
    spec = read_study_file(file)
    return StudyStore(spec.storage.folder, spec.storage.name)


def judged_afresh(new: Path, folder: Path) -> list[float | None]:
    """The values of a study's trials in one of the same file that knows nothing of any trial."""
    shutil.copytree(new.parent, folder / "file", ignore=shutil.ignore_patterns("runs"))
    (folder / "file/new.toml").replace(folder / "file/study.toml")
    recipes = [Recipe.parse(one.user_attrs["recipe"]) for one in store_of(new).trials()]
    return judged_in(read_study_file(folder / "file/study.toml"), folder / "fresh", recipes)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the recipes that are built to be rendered."""
    keys: list[str] = []
    real: Callable[..., object] = Engine.build

    def build(self: Engine, recipe: Recipe, *rest: object) -> object:
        keys.append(recipe.key)
        return real(self, recipe, *rest)

    monkeypatch.setattr(Engine, "build", build)
    return keys


def test_another_plan_keeps_scores_and_goes_on_as_the_old_study_would(copied: Path, built: list[str]) -> None:
    new, folder = changed(copied, ("blocks = 0", "blocks = 1")), copied.parent / "runs/small"
    before = content(folder)
    done = forked(copied, new)
    assert (done.differences, done.kept, done.is_judged_again, done.left) == ((), 13, False, {})
    old, made = store_of(copied), store_of(new)
    keep = ("params", "value", "user_attrs", "distributions", "state")
    assert [[getattr(one, name) for name in keep] for one in made.trials()] == [
        [getattr(one, name) for name in keep] for one in old.trials()
    ]
    assert made.history() == old.history()
    assert all(path.read_bytes() for one in made.trials() for path in made.sheets(one))
    assert made.noted(PROOFS) == old.noted(PROOFS)
    assert made.noted(FORKED)["study"] == "small"
    assert content(folder) == before
    assert built == []
    Night(read_study_file(new), QUIET, proof=False).run()
    assert len(built) == 1, "only the new trial"
    assert content(folder) == before, "also after the new study went on"
    copied.write_text(copied.read_text().replace("blocks = 0", "blocks = 1"))
    Night(read_study_file(copied), QUIET, proof=False).run()
    assert [one.params for one in store_of(new).trials()] == [one.params for one in store_of(copied).trials()]
    assert [one.value for one in store_of(new).trials()] == [one.value for one in store_of(copied).trials()]


def test_other_scorers_give_the_scores_of_a_study_begun_anew(copied: Path, built: list[str], tmp_path: Path) -> None:
    new, before = changed(copied, end=WEIGHTS), content(copied.parent / "runs/small")
    done = forked(copied, new)
    assert done.is_judged_again
    assert all(line.startswith("  what judges pictures: ") for line in done.differences)
    assert any("stats 0.3 -> 2.0" in line for line in done.differences)
    assert built == []
    trials = store_of(new).trials()
    fresh = judged_afresh(new, tmp_path)
    assert [one.value for one in trials] == pytest.approx(fresh, abs=1e-12)
    assert [one.value for one in trials] != [one.value for one in store_of(copied).trials()]
    assert content(copied.parent / "runs/small") == before


NARROW = ("[space.self]", "[space.blocks]\nlow = 0.1\nhigh = 0.9\n\n[space.self]")


def test_another_space_keeps_what_it_can_express(copied: Path, built: list[str], tmp_path: Path) -> None:
    new = changed(copied, NARROW)
    with pytest.raises(StudyError, match=r"(?s)have none at all.*the same command with --render"):
        forked(copied, new)
    assert not (copied.parent / "runs/new").exists()
    assert list((copied.parent / "runs").iterdir()) == [copied.parent / "runs/small"]
    done = forked(copied, new, render=True)
    trials = store_of(new).trials()
    blocks = {knob.name for knob in read_study_file(new).search.space.of_kind("block")}
    points = [{name: one.params[name] for name in blocks} for one in store_of(copied).trials()]
    outside = [point for point in points if not (min(point.values()) >= 0.1 and max(point.values()) <= 0.9)]
    assert len(outside) >= 2, "A and B at least"
    assert (done.kept, done.left) == (13 - len(outside), {"their recipes are outside the new space": len(outside)})
    assert len(built) == len(set(built)), "no recipe is rendered twice"
    assert not {one.user_attrs["recipe_key"] for one in trials} & set(built), "no trial is rendered again"
    fresh = judged_afresh(new, tmp_path)
    assert [one.value for one in trials] == pytest.approx(fresh, abs=1e-12)


def test_more_shots_keep_the_trials_on_those_that_they_drew(copied: Path, built: list[str]) -> None:
    new = changed(copied, ("seeds = [1, 2]", "seeds = [1, 2, 5]"))
    done = forked(copied, new, render=True)
    assert done.kept == 13
    assert [line.strip() for line in done.differences if "shot" in line]
    trials = store_of(new).trials()
    assert {tuple(one.user_attrs["slots"]) for one in trials} == {(0, 1, 3, 4)}
    random_ones = [one for one in trials if one.user_attrs["name"].startswith("random")]
    calibration = {one.user_attrs["recipe_key"] for one in trials if one.user_attrs["stage"] == "flat"}
    assert random_ones
    assert set(built) <= calibration
    fewer = changed(copied, ("seeds = [1, 2]", "seeds = [1]"))
    shutil.rmtree(copied.parent / "runs/new")
    why = r"no trial can be kept: they drew shots that the new study does not have \(13 trials\)"
    with pytest.raises(StudyError, match=f"{why}(.|\n)*leave their prompts and seeds in and add others"):
        forked(copied, fewer)


def test_where_pictures_would_be_others_nothing_is_begun(copied: Path) -> None:
    before = content(copied.parent)
    swapped = ('A = "closeups', 'B = "closeups'), ('B = "lamplight', 'A = "lamplight')
    new = changed(copied, ("steps = 2", "steps = 3"), *swapped)
    with pytest.raises(StudyError) as refused:
        forked(copied, new)
    assert "pictures would be others (models.A, models.B)" in str(refused.value)
    assert "steps: was 2, is 3 (shots 1, 2, 3, 4)" in str(refused.value)
    assert "recipe-search run" in str(refused.value)
    new.unlink()
    assert content(copied.parent) == before


def fork_command(study: Path, new: Path) -> Result:
    return CliRunner().invoke(main, ["fork", str(study), str(new)])


def test_the_command_says_what_differs_and_refuses_what_has_begun(copied: Path) -> None:
    new = changed(copied)
    assert CliRunner().invoke(main, ["check", str(new)]).exit_code == 0
    with read_only(copied.parent / "runs/small"):
        done = fork_command(copied.parent, new)
    assert done.exit_code == 0, done.output
    assert 'nothing differs from "small" that scores depend on\n13 trials kept, with their scores\n' in done.output
    assert f"go on from there: recipe-search run {new}" in done.output
    assert "has begun already" in fork_command(copied, new).output
    assert 'has the folder of the study "small"' in fork_command(copied, copied).output
    (copied.parent / "runs/new/journal.log").unlink()
    assert "is not empty: it holds artifacts, renders" in fork_command(copied, new).output
    shutil.rmtree(copied.parent / "runs/small")
    shutil.rmtree(copied.parent / "runs/new")
    assert "has not been run yet" in fork_command(copied, new).output


def test_killed_at_any_moment_it_leaves_nothing_or_all(copied: Path) -> None:
    new, before = changed(copied, end=WEIGHTS), content(copied.parent / "runs/small")
    command, folder = [sys.executable, "-m", "studies.cli.main", "fork", str(copied), str(new)], copied.parent / "runs"
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - began
    expected = [(one.value, one.params) for one in store_of(new).trials()]
    shutil.rmtree(folder / "new")
    for part in (0.7, 0.9, 0.95):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(part * whole)
        process.kill()
        process.wait()
        assert content(folder / "small") == before
        if (folder / "new").exists():
            assert [(one.value, one.params) for one in store_of(new).trials()] == expected
            shutil.rmtree(folder / "new")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert [(one.value, one.params) for one in store_of(new).trials()] == expected
    assert sorted(path.name for path in folder.iterdir()) == ["new", "small"]


def test_the_record_of_the_search_goes_with_the_trials(copied: Path) -> None:
    new = changed(copied, ("groups = 1", 'groups = 1\nsampler = "random"'), ("blocks = 0", "blocks = 1"))
    assert forked(copied, new).differences == ()
    spec: StudySpec = read_study_file(new)
    Night(spec, QUIET, proof=False).run()
    first, second = store_of(new).noted(SEARCHED)
    assert (first["trials"], second["trials"]) == (0, 13)
    assert (first["settings"]["sampler"], second["settings"]["sampler"]) == ("surrogate", "random")
