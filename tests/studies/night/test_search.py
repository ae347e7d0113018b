"""What a night does with the search: noise, shots in turn, stages at will, recipes to begin with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from studies.candidate import Candidate
from studies.cli.main import main
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.night.calibration import OFF, fit
from studies.night.continuing.rescore import rescore_study
from studies.night.night import Night
from studies.night.noise import NOISE, suggester_of
from studies.night.trial import tried
from studies.night.workshop import Workshop
from studies.review.judging import pairs
from studies.review.judging.picking import opened_picking
from studies.store.judged.outcome import read_outcome
from studies.store.renders import shots_key
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)
EIGHT = "seeds = [1, 2, 5, 6]", "seeds = [3, 4, 7, 8]"


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    """A study of eight shots, four a trial, run to its end."""
    study = write_small_study(tmp_path_factory.mktemp("rotated"), groups=2)
    text = study.read_text().replace("seeds = [1, 2]", EIGHT[0]).replace("seeds = [3, 4]", EIGHT[1])
    study.write_text(text.replace("[search]", '[search]\nline = 1\nshots = 4\nfresh_seeds = true\nbegin = ["GRAD_V"]'))
    spec = read_study_file(study)
    Night(spec, QUIET).run()
    return spec


def store_of(spec: StudySpec) -> StudyStore:
    return StudyStore(spec.storage.folder, spec.storage.name)


def test_stages_draw_their_shots_in_turn_and_flat_renders_nothing_twice(rotated: StudySpec) -> None:
    by_stage: dict[str, set[tuple[int, ...]]] = {}
    for told in store_of(rotated).history():
        by_stage.setdefault(told.stage, set()).add(told.slots)
    assert {stage: len(slots) for stage, slots in by_stage.items()} == dict.fromkeys(by_stage, 1)
    assert by_stage["flat"] == by_stage["groups"] == {(0, 1, 2, 3)}
    assert by_stage["blocks"] == {(4, 5, 6, 7)}
    assert by_stage["self"] == by_stage["adjust"] == {(8, 9, 10, 11)}
    assert by_stage["refine"] == {tuple(range(12, 20))}
    shots = [*rotated.shots.drawn(range(20)), *rotated.shots.proof]
    assert len({(shot.prompt, shot.seed) for shot in shots}) == 24
    assert [shot.prompt for shot in shots[8:16]] == [shot.prompt for shot in shots[:8]]
    (windows,) = (rotated.storage.folder / "renders").glob(f"*/{shots_key(rotated.shots.drawn((0, 1, 2, 3)))}")
    drawn = {path.name for path in windows.iterdir()}
    flats = {t.user_attrs["recipe_key"][:20] for t in store_of(rotated).trials() if t.user_attrs["stage"] == "flat"}
    assert len(flats & drawn) == 2  # those of the line and GRAD_V; the calibration recipes were there


def test_the_trials_scores_are_those_of_the_shots_they_drew(rotated: StudySpec) -> None:
    workshop = Workshop.open(rotated, model_hashes(rotated.merge, rotated.storage), kept_on="cpu")
    store = store_of(rotated)
    fit(rotated.merge, rotated.search, rotated.shots, workshop, store.noted(OFF), QUIET)
    for trial, told in zip(store.trials(), store.history(), strict=True):
        work, verdict, _ = tried(rotated.search, rotated.shots, workshop, Candidate.of(trial.user_attrs), told.slots)
        assert work.features.seeds == tuple(shot.seed for shot in rotated.shots.drawn(told.slots))
        assert verdict.value == pytest.approx(trial.value, abs=1e-9)
    assert workshop.panel.has_slots([(shot.prompt, shot.seed) for shot in rotated.shots.drawn(range(8, 20))])
    assert not workshop.panel.has_slots([(shot.prompt, shot.seed) for shot in rotated.shots.drawn(range(20, 22))])


def test_noise_is_that_of_the_panel_and_stays_as_the_first_night_found_it(rotated: StudySpec) -> None:
    store = store_of(rotated)
    noted = store.noted(NOISE)
    assert noted["shots"] == 4
    workshop = Workshop.open(rotated, model_hashes(rotated.merge, rotated.storage), kept_on="cpu")
    fit(rotated.merge, rotated.search, rotated.shots, workshop, store.noted(OFF), QUIET)
    rows = np.array(list(workshop.panel.pseudo_values().values()))
    left = rows - rows.mean(0) - rows.mean(1, keepdims=True) + rows.mean()
    assert noted["paired"] == pytest.approx(np.sqrt(np.square(left).sum() / (len(rows) - 1) / (rows.shape[1] - 1)))
    other = replace(rotated.search, shots_per_trial=8)
    assert suggester_of(other, rotated.shots, store).rotation.per_trial == 4


def test_a_rescored_study_judges_every_trial_by_its_own_shots(rotated: StudySpec, tmp_path: Path) -> None:
    shutil.copytree(rotated.storage.file.parent, tmp_path / "copy")
    study = tmp_path / "copy" / "study.toml"
    study.write_text(study.read_text() + "weights = { style = 1.0, clip = 0.2, stats = 0.6 }\n")
    spec = read_study_file(study)
    before = store_of(spec)
    done = rescore_study(spec, QUIET)
    after = store_of(spec)
    assert done.trials == len(before.trials()) == len(after.trials())
    assert [told.slots for told in after.history()] == [told.slots for told in before.history()]
    assert after.noted(NOISE)["shots"] == 4
    assert [t.value for t in after.trials()] != [t.value for t in before.trials()]


def test_recipes_to_begin_with_are_tried_in_flat(rotated: StudySpec) -> None:
    tried = [told.point for told in store_of(rotated).history() if told.stage == "flat"]
    assert any(point["IN00"] == 1.0 and point["M00"] == 0.0 for point in tried)


def test_what_the_search_promised_stands_beside_what_was_found(rotated: StudySpec) -> None:
    course = read_outcome(rotated.storage.folder).search_summary
    assert course[0].startswith("flat: 11 trials")
    assert "promised on the search's pictures" in course[-1]


def test_every_set_of_shots_hangs_where_pictures_are_picked_from(
    rotated: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "MOST_RECIPES", 2)
    drawn = {
        shots_key(rotated.shots.drawn(told.slots)) for told in store_of(rotated).history() if told.value is not None
    }
    with opened_picking(rotated) as picking:
        hung = {key for key, _ in picking.gallery._contributions}
    assert hung >= drawn | {shots_key(rotated.shots.proof)}


def test_fresh_seeds_that_are_not_followed_are_said(tmp_path: Path) -> None:
    study = write_small_study(tmp_path, groups=0)
    text = study.read_text().replace("[space.self]", "[space.blocks]\nlow = 0.6\n\n[space.self]")
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    study.write_text(text.replace("[search]", "[search]\nfresh_seeds = true"))
    said = CliRunner().invoke(main, ["run", str(study)])
    assert said.exit_code == 0, said.output
    words = " ".join(said.output.split())
    assert "fresh_seeds has no effect: scores are measured from FLAT_50, which bounds or frozen blocks" in words


def test_one_stage_alone_and_the_others_later_whatever_the_sampler_is_called(tmp_path: Path) -> None:
    """`hill` is the former name of the surrogate: a journal begun under it goes on under either name."""
    study = write_small_study(tmp_path, groups=1)
    study.write_text(study.read_text().replace("[search]", '[search]\nsampler = "hill"'))
    assert read_study_file(study).search.plan.sampler == "surrogate"
    said = CliRunner().invoke(main, ["run", str(study), "--stage", "adjust"])
    assert said.exit_code == 0, said.output
    stages = [told.stage for told in store_of(read_study_file(study)).history()]
    assert set(stages) == {"flat", "adjust"}
    study.write_text(study.read_text().replace('"hill"', '"surrogate"'))
    Night(read_study_file(study), QUIET).run()
    later = [told.stage for told in store_of(read_study_file(study)).history()]
    assert later[: len(stages)] == stages
    assert set(later[len(stages) :]) == {"groups", "blocks", "self", "refine"}


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("shots = 2", 'search.shots: must be "auto" or a whole number from 4 on (2)'),
        ('sampler = "bayes"', 'search.sampler: unknown sampler ("bayes")'),
        ("options = { seed2 = 1 }", "search.options: sampler surrogate takes no options"),
        (
            'sampler = "tpe"\noptions = { multivariat = true }',
            "search.options.multivariat: sampler tpe has no such option (true); did you mean",
        ),
        (
            'sampler = "cmaes"\noptions = { sigmoid = 1 }',
            "search.options.sigmoid: sampler cmaes has no such option (1); did you mean sigma?",
        ),
        ('begin = ["GRAD_W"]', "search.begin[1]: there is no preset 'GRAD_W' (\"GRAD_W\"); did you mean GRAD_V?"),
        ('begin = ["GRAD_V", "0,0.1,0.2"]', "search.begin[2]: "),
        ('begin = ["lost.toml"]', "search.begin[1]: "),
        ('start = "ALL_B"', "search.start: BASE = 1 is frozen at 0"),
    ],
)
def test_problems_of_the_search_table_are_told_with_a_way_out(tmp_path: Path, written: str, says: str) -> None:
    study = write_small_study(tmp_path)
    study.write_text(study.read_text().replace("[search]", f"[search]\n{written}"))
    with pytest.raises(StudyError) as told:
        read_study_file(study)
    assert says in str(told.value)


def test_recipes_may_come_from_files_rows_and_presets(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    row = ", ".join(["0"] + ["0.25"] * 12 + ["0.5"] + ["0.75"] * 12)
    steps = 'kind = "merge"\nalpha = { flat = 0.4, BASE = 0 }', 'kind = "adjust"\nvalues = "0,0,0,2"'
    (tmp_path / "mine.toml").write_text("\n[[steps]]\n".join(["format = 1", *steps]))
    recipe = CliRunner().invoke(main, ["recipe", "show", str(tmp_path / "mine.toml")])
    assert recipe.exit_code == 0, recipe.output
    lines = f'begin = ["{row}", "GRAD_V"]\nstart = "mine.toml"\nsampler = "tpe"\noptions = {{ multivariate = false }}'
    study.write_text(study.read_text().replace("[search]", f"[search]\n{lines}"))
    plan = read_study_file(study).search.plan
    assert [one.label for one in plan.beginnings] == ["weights", "GRAD_V"]
    assert plan.beginnings[0].point["IN03"] == 0.25
    assert plan.start is not None
    assert (plan.start.point["IN03"], plan.start.point["adjust:CONT"]) == (0.4, 2.0)
    assert (plan.sampler, plan.options) == ("tpe", {"multivariate": False})
