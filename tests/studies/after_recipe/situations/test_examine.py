"""Whole examinations on real pictures: what is drawn, what is kept, and that a killed one comes to the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from studies.after_recipe.measuring.opened import Measuring, measuring
from studies.after_recipe.measuring.subject import subject_of
from studies.after_recipe.situations.at_night import examine_first_finalist
from studies.after_recipe.situations.examine import Examination
from studies.after_recipe.situations.planned import situations_costs
from studies.after_recipe.situations.rivals import parents_of
from studies.after_recipe.situations.showing.overview import COLOURS
from studies.after_recipe.situations.showing.pictures import KeptPictures, forget_others, with_pictures
from studies.after_recipe.situations.suite import read_suite
from studies.cli.main import main
from studies.errors import StudyError
from studies.night.night import Night
from studies.results.situations import (
    RESULT,
    WORD_LOST,
    WORSE,
    ShownPicture,
    SituationsResult,
    WeakSpot,
    read_situations,
    situations_folder,
)
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.after_recipe.situations.small_suite import write_small_suite

QUIET = Console(quiet=True)
CHUNKS = 5 * 4
"""Sets of shots of the first round: five situations, four recipes."""


def examination(opened: Measuring) -> Examination:
    situations = opened.spec.situations
    suite = read_suite(situations.suite, situations.frame)
    return Examination(opened=opened, subject=subject_of(opened.spec, finalist=1), suite=suite)


def examined(spec: StudySpec) -> tuple[SituationsResult, int]:
    """The result, and how many pictures were drawn for it."""
    with measuring(spec, QUIET, name="situations") as opened:
        return examination(opened).run(QUIET), opened.drawn


def kept_features(study: Path) -> dict[str, int]:
    """The files of features that are kept, and when they were written."""
    renders = study.parent / "runs" / "small" / "renders"
    return {str(path.relative_to(renders)): path.stat().st_mtime_ns for path in renders.rglob("features.safetensors")}


@pytest.fixture(scope="module")
def once(finished_once: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SituationsResult, int]:
    """An examination that was never stopped: its study file, result, and how many pictures were drawn."""
    folder = tmp_path_factory.mktemp("examined") / "copy"
    shutil.copytree(finished_once.storage.file.parent, folder)
    study = write_small_suite(folder / "study.toml")
    return (study, *examined(read_study_file(study)))


def test_a_result_says_what_was_drawn(once: tuple[Path, SituationsResult, int]) -> None:
    study, result, drawn = once
    assert [one.name for one in result.situations] == [
        *("colour: red", "colour: green", "colour: blue"),
        *("subject: cat", "subject: house"),
    ]
    assert result.parents == ("A", "B")
    assert [one.label for one in result.rivals][:2] == ["A", "B"]
    assert result.pictures == drawn == 4 * sum(one.pictures for one in result.situations)
    assert {one.pictures for one in result.situations} <= {4, 6}
    assert (result.most_pictures, result.comparisons) == (5 * 4 * 6, 5 * 3)
    for one in result.situations:
        assert [difference.rival for difference in one.differences] == [rival.label for rival in result.rivals]
        assert all(difference.low <= difference.mean <= difference.high for difference in one.differences)
        assert one.fidelity is not None
        assert one.diversity is not None
        assert one.fidelity.words == (3 if one.aspect == "colour" else 2)
        assert 0 <= one.fidelity.obeyed <= 1
        assert one.diversity.spread > 0
    average = sum(one.from_average.mean for one in result.situations if one.from_average)
    assert average == pytest.approx(0, abs=1e-9)
    assert read_situations(study.parent / "runs" / "small") == result
    place = situations_folder(study.parent / "runs" / "small", result.key)
    with Image.open(place / result.overview) as overview:
        assert overview.width == 900


def test_the_same_again_draws_nothing(once: tuple[Path, SituationsResult, int]) -> None:
    study, result, _ = once
    kept = kept_features(study)
    assert examined(read_study_file(study)) == (result, 0)
    assert kept_features(study) == kept


def test_killed_at_any_point_it_comes_to_the_same(once: tuple[Path, SituationsResult, int], copied: Path) -> None:
    """Real kills, and the command again after each."""
    _, result, drawn = once
    study, before = write_small_suite(copied), set(kept_features(copied))
    command = [sys.executable, "-m", "studies.cli.main", "situations", str(study), "--finalist", "1"]
    for kills, chunks in enumerate((3, CHUNKS - 3), start=1):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            while process.poll() is None and len(kept_features(study)) - len(before) < chunks:
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, f"it ended before kill {kills}"
    kept = kept_features(study)
    again, left = examined(read_study_file(study))
    assert again == result
    whole = sum(4 for name in set(kept) - before)
    assert left == drawn - whole, "what was drawn before a kill is not drawn again"
    after = kept_features(study)
    assert {name: after[name] for name in kept} == kept
    ours = situations_folder(study.parent / "runs" / "small", result.key)
    theirs = situations_folder(once[0].parent / "runs" / "small", result.key)
    assert (ours / RESULT).read_bytes() == (theirs / RESULT).read_bytes()
    assert (ours / result.overview).read_bytes() == (theirs / result.overview).read_bytes()


def test_the_command_prints_what_was_found(once: tuple[Path, SituationsResult, int]) -> None:
    study, result, _ = once
    done = CliRunner().invoke(main, ["situations", str(study), "--finalist", "1"])
    assert done.exit_code == 0, done.output
    assert "5 situations of 4 recipes: 80 to 120 pictures" in done.output
    assert "5 situations against A and B: " in done.output
    assert "over all situations: " in done.output
    assert f"{result.pictures} pictures" in done.output
    assert "hold together" in done.output


def test_a_parent_is_never_worse_than_itself(once: tuple[Path, SituationsResult, int]) -> None:
    """Its pictures are known: a checkpoint of the study is examined as the parent that it is."""
    study, _, _ = once
    spec = read_study_file(study)
    with measuring(spec, QUIET, name="situations") as opened:
        subject = replace(
            subject_of(spec, finalist=1), label="B again", candidate=examination(opened).recipes["B"].candidate
        )
        result = Examination(opened=opened, subject=subject, suite=read_suite(spec.situations.suite)).run(QUIET)
    itself = [one.against("B") for one in result.situations]
    assert all(one and (one.mean, one.low, one.high) == (0, 0, 0) for one in itself)
    assert result.weak_spots == ()


def test_check_says_what_it_costs_and_a_lost_suite_stops_the_night(copied: Path) -> None:
    study = write_small_suite(copied)
    done = CliRunner().invoke(main, ["check", str(study)])
    assert done.exit_code == 0, done.output
    assert "note: situations: `recipe-search situations`: 5 situations of 4 recipes: 80 to 120 pictures" in done.output
    shutil.rmtree(study.parent / "lists")
    assert "warning: situations" in CliRunner().invoke(main, ["check", str(study)]).output
    study.write_text(study.read_text() + "night = true\n", encoding="utf-8")
    lost = CliRunner().invoke(main, ["check", str(study)])
    assert lost.exit_code == 1
    assert "error: situations" in lost.output


def test_a_night_ends_with_the_situations_of_its_first_finalist(copied: Path) -> None:
    spec = read_study_file(write_small_suite(copied, seeds=4, more="night = true\n"))
    said = Console(record=True, width=200, file=None, quiet=False, stderr=True)
    outcome = Night(spec, said, afterwards=examine_first_finalist).run()
    assert outcome is not None
    result = read_situations(spec.storage.folder)
    assert result.subject.label == f"finalist 1 ({outcome.finalists[0].label})"
    assert "5 situations against A and B" in said.export_text()


def test_what_fails_after_the_proof_leaves_the_outcome(copied: Path) -> None:
    spec = read_study_file(write_small_suite(copied, more="night = true\n"))
    shutil.rmtree(copied.parent / "lists")
    said = Console(record=True, width=200, stderr=True)
    assert Night(spec, said, afterwards=examine_first_finalist).run() is not None
    assert "after the proof: " in said.export_text()
    with pytest.raises(StudyError, match="nothing was examined yet"):
        read_situations(spec.storage.folder)


def test_weak_spots_are_shown_beside_the_parents(once: tuple[Path, SituationsResult, int], tmp_path: Path) -> None:
    study, result, _ = once
    with measuring(read_study_file(study), QUIET, name="situations") as opened:
        one = examination(opened)
        kept = KeptPictures(opened=opened, recipes=one.recipes, suite=one.suite, shots=one.shots)
        green = next(shots for key, shots in one.shots.items() if key.startswith("colour-green"))
        shown = tuple(ShownPicture(prompt=shot.shot.prompt, seed=shot.shot.seed) for shot in green[:2])
        spot = WeakSpot(
            aspect="colour", word="green", kind=WORD_LOST, sentence="it is no longer obeyed", amount=0.5, shown=shown
        )
        pictures = kept.of(spot, shown[1])
        drawn = with_pictures(tmp_path, replace(result, weak_spots=(spot,)), kept)
    assert [picture is not None and picture.shape == (64, 64, 3) for picture in pictures] == [True] * 4
    assert (drawn.sheet, [one.picture for one in drawn.weak_spots]) == ("weak_spots.png", ["weak_01.png"])
    place = situations_folder(tmp_path, result.key)
    with Image.open(place / "weak_spots.png") as sheet, Image.open(place / "weak_01.png") as both:
        assert sheet.width == both.width == 900
        assert both.height > sheet.height > 200
    with Image.open(place / "overview.png") as overview:
        colours = {colour for _, colour in overview.convert("RGB").getcolors(1 << 24) or ()}
        name = overview.convert("RGB").crop((0, 200, 340, overview.height))
        assert COLOURS[WORSE] in colours
        assert COLOURS[WORSE] in {colour for _, colour in name.getcolors(1 << 24) or ()}, "the weak spot's name is red"
    forget_others(tmp_path, result)
    assert [path.name for path in place.glob("*.png")] == ["overview.png"]


def test_check_counts_what_is_kept(once: tuple[Path, SituationsResult, int], tmp_path: Path) -> None:
    study, result, _ = once
    spec = read_study_file(Path(shutil.copytree(study.parent, tmp_path / "copy")) / study.name)

    def cost() -> str:
        return next(one.line for one in situations_costs(spec, 1.0) if one.level == "note")

    assert cost().endswith(f" pictures, {result.pictures:,} of them kept, and {result.subject.label} needs no others")
    gone = parents_of(spec)[0].candidate.key[:20]
    for place in spec.storage.folder.glob(f"renders/*/*/{gone}"):
        shutil.rmtree(place)
    assert f" pictures, {result.pictures * 3 // 4:,} of them kept, the others about " in cost()
    shutil.rmtree(spec.storage.folder / "renders")
    assert " of them kept" not in cost()
