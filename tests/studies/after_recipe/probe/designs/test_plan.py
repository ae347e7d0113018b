"""What a probe renders: recipes once each, shots of different prompts first, no more pictures than were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.recipes.recipe import MergeStep
from search.space.baselines import flats
from studies.after_recipe.probe.designs.knobs import KnobChoice
from studies.after_recipe.probe.designs.plan import CHUNK, ProbeOptions, chunked, planned_probe, probe_shots
from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

FEW = KnobChoice(blocks="IN03,OUT05", sites="none", fields="none")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    return read_study_file(write_small_study(tmp_path_factory.mktemp("planned")))


def test_everything_of_a_study_is_planned(spec: StudySpec) -> None:
    plan = planned_probe(spec)
    assert [knob.name for knob in plan.knobs[-2:]] == ["self:OUT11:attn1", "adjust:CONT"]
    one, screen = (len(recipes) for _, recipes in plan.designs)
    assert (len(plan.knobs), one, screen) == (28, 58, 64)
    assert len(plan.shots) == len(plan.twins) == 8
    assert plan.pictures == len(plan.recipes) * 8 + 8
    assert plan.still.recipe == flats(spec.search.space)["FLAT_50"]


def test_recipes_are_rendered_once_each_and_one_block_changes_at_a_time(spec: StudySpec) -> None:
    plan = planned_probe(spec, ProbeOptions(choice=FEW, design="one"))
    assert [recipe.label for recipe in plan.recipes] == [
        "base", "unseen change", "IN03 = 0", "IN03 = 1", "OUT05 = 0", "OUT05 = 1"
    ]  # fmt: skip
    keys = [recipe.candidate.key for recipe in planned_probe(spec, ProbeOptions(choice=FEW)).recipes]
    assert len(keys) == len(set(keys))


def test_a_base_at_the_end_of_a_knob_is_rendered_once(spec: StudySpec) -> None:
    plan = planned_probe(spec, ProbeOptions(choice=FEW, design="one", base="1"))
    assert plan.base.label == "B"
    assert [recipe.label for recipe in plan.recipes] == ["base", "unseen change", "IN03 = 0", "OUT05 = 0"]


def test_different_prompts_come_first_then_other_seeds(spec: StudySpec) -> None:
    shots = probe_shots(spec.shots, 8)
    assert [shot.prompt[:6] for shot in shots] == ["a red ", "a blue"] * 4
    assert [shot.seed for shot in shots[:4]] == [1, 3, 2, 4]
    assert len({(shot.prompt, shot.seed) for shot in shots}) == 8
    assert probe_shots(spec.shots, 4) == shots[:4]


def test_twins_differ_by_a_seed_that_nobody_has(spec: StudySpec) -> None:
    plan = planned_probe(spec)
    assert [twin.prompt for twin in plan.twins] == [shot.prompt for shot in plan.shots]
    taken = {(shot.prompt, shot.seed) for shot in (*spec.shots.every, *plan.shots)}
    assert not taken & {(twin.prompt, twin.seed) for twin in plan.twins}


@pytest.mark.parametrize(("asked", "given"), [(1, 4), (4, 4), (5, 8)])
def test_shots_come_in_fours(spec: StudySpec, asked: int, given: int) -> None:
    plan = planned_probe(spec, ProbeOptions(choice=FEW, shots=asked))
    assert len(plan.shots) == given
    assert [len(one) for one in chunked(plan.shots)] == [CHUNK] * (given // CHUNK)


def test_there_are_no_more_pictures_than_were_asked_for(spec: StudySpec) -> None:
    plan = planned_probe(spec, ProbeOptions(choice=FEW, design="one", pictures=120))
    assert len(plan.shots) == 16
    assert plan.pictures == 112
    with pytest.raises(StudyError, match="28"):
        planned_probe(spec, ProbeOptions(choice=FEW, design="one", pictures=20))


def test_a_base_is_a_ratio_a_preset_a_row_or_a_file(spec: StudySpec, tmp_path: Path) -> None:
    def ratios(base: str) -> dict[str, float]:
        merge = planned_probe(spec, ProbeOptions(choice=FEW, base=base)).still.recipe.steps[0]
        assert isinstance(merge, MergeStep)
        return spec.search.space.frame.by_block(merge.alpha)

    assert ratios("0.25")["IN03"] == 0.25
    assert ratios("GRAD_V")["IN00"] == 1
    assert ratios("0.1," + ",".join(["0.3"] * 25))["OUT05"] == 0.3
    file = tmp_path / "mine.toml"
    models = '[models]\nA = "a.safetensors"\nB = "b.safetensors"\n'
    file.write_text(f'format = 1\n{models}[[steps]]\nmodels = ["A", "B"]\nalpha = 0.7\n')
    assert ratios(str(file))["OUT11"] == 0.7
    for wrong in ("GRAD_W", "gone.toml", "pin"):
        with pytest.raises(StudyError):
            planned_probe(spec, ProbeOptions(base=wrong))


@pytest.mark.parametrize("ratio", ["nan", "inf", "-inf", "1e999", "99"])
def test_a_base_is_a_ratio_that_a_mix_can_have(spec: StudySpec, ratio: str) -> None:
    with pytest.raises(StudyError, match=r"--base: .*-2 to 3"):
        planned_probe(spec, ProbeOptions(base=ratio))
