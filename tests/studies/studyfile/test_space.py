"""What a study file says of models, merge and space: read, and every problem told at its place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.recipes.dialects import DIALECTS
from search.space.build import suggested_sites
from search.space.frame import RecipeFrame
from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from studies.studyfile.tables.schema_merge import RATIO_LIMITS
from tests.studies.study_text import STUDY, write_study

C = '\nC = "c.safetensors"'
THREE = STUDY.replace('B = "b.safetensors"', f'B = "b.safetensors"{C}')


def with_tables(text: str, tables: str) -> str:
    return text.replace("[space.self]", f"{tables}\n[space.self]", 1)


def read(folder: Path, tables: str, text: str = STUDY) -> StudySpec:
    return read_study_file(write_study(folder, with_tables(text, tables)))


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong in a study file, within it; but for files that are not there."""
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(folder, text))
    assert {problem.place[0] for problem in caught.value.problems} == {Path("study.toml")}
    lines = [str(replace(problem, place=problem.place[1:])) for problem in caught.value.problems]
    return [line for line in lines if "no such file" not in line]


def knobs(spec: StudySpec) -> dict[str, tuple[float, float, float]]:
    """Low, high and step of every free knob."""
    return {knob.name: (knob.low, knob.high, knob.step) for knob in spec.search.space.free}


def write_header(path: Path, key: str, shape: tuple[int, ...]) -> None:
    """A file that is seen to be of a family, and nothing more."""
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3), key: torch.zeros(shape)}, path)


def write_sdxl(path: Path) -> None:
    write_header(path, "conditioner.embedders.1.model.text_projection", (4, 4))


# -------------------------------------------------------------------------------------------------------- reading


def test_a_plain_file_has_the_plain_frame(tmp_path: Path) -> None:
    spec = read(tmp_path, "")
    assert spec.search.space.frame == RecipeFrame()
    assert not any(name.startswith("merge.") for name in spec.fingerprint()), "studies begun before go on"


def test_three_models_have_a_second_ratio_where_the_mode_has_one(tmp_path: Path) -> None:
    difference = read(tmp_path, '[merge]\nmode = "Add difference"\ndialect = "2023"', THREE)
    assert difference.merge.models["C"] == tmp_path / "c.safetensors"
    assert difference.search.space.frame == RecipeFrame(models=("A", "B", "C"), mode="Add difference", dialect="2023")
    assert not difference.search.space.of_kind("second")
    triple = read(tmp_path, '[merge]\nmode = "Triple sum"', THREE)
    assert knobs(triple)["beta:OUT05"] == (0, 1, 0.001)
    assert "beta:BASE" not in knobs(triple)
    table = "[space.second]\nhigh = 0.5\nfreeze = {}\nbounds = { M00 = [-0.1, 0.3, 0.1] }\nties = { OUT05 = 'IN05' }"
    own = read(tmp_path, f'[merge]\nmode = "sum Twice"\n{table}', THREE)
    found = knobs(own)
    assert (found["beta:BASE"], found["beta:M00"]) == ((0, 0.5, 0.001), (-0.1, 0.3, 0.1))
    assert "beta:OUT05" not in found
    one = read(tmp_path, '[merge]\nmode = "Triple sum"\nbeta = 0.3', THREE)
    assert not one.search.space.of_kind("second")
    assert one.search.space.decode(one.search.space.flat(0.2)).runs[0].beta == 0.3


def test_single_bounds_grids_ties_and_frozen_knobs(tmp_path: Path) -> None:
    blocks = """
[space.blocks]
low = -0.5
high = 1.5
step = 0.05
bounds = { OUT05 = [0.1, 0.6], OUT06 = [0, 1, 0.25], BASE = [0, 0.3] }
ties = { OUT08 = "OUT05" }
freeze = { IN00 = 1.5 }
"""
    text = STUDY.replace("CONT = [-5, 5]", "CONT = [-5, 5, 0.5]").replace('["OUT05:attn1"]', '"suggested"')
    text = text.replace(
        "[space.adjust]",
        'step = 0.01\nbounds = { "OUT05:attn1" = [0.9, 1] }\nfreeze = { "OUT04:attn1" = 0.88 }\n'
        'ties = { "OUT08:attn1" = "OUT05:attn1" }\n[space.adjust]',
    )
    spec = read(tmp_path, blocks, text)
    found = knobs(spec)
    assert found["IN01"] == (-0.5, 1.5, 0.05)
    assert (found["OUT05"], found["OUT06"], found["BASE"]) == ((0.1, 0.6, 0.05), (0, 1, 0.25), (0, 0.3, 0.05))
    assert {"OUT08", "IN00"}.isdisjoint(found)
    assert found["adjust:CONT"] == (-5, 5, 0.5)
    assert found["self:OUT05:attn1"] == (0.9, 1, 0.01)
    own = {knob.name for knob in spec.search.space.knobs if knob.kind == "self"}
    assert own == {f"self:{site}" for site in suggested_sites()}
    assert {"self:OUT04:attn1", "self:OUT08:attn1"}.isdisjoint(found)


def test_the_family_is_seen_in_the_checkpoints(tmp_path: Path) -> None:
    write_sdxl(tmp_path / "b.safetensors")
    text = STUDY.replace('["OUT05:attn1"]', '"suggested"')
    spec = read(tmp_path, "", text)
    assert (spec.search.space.frame.family, spec.search.space.frame.dialect) == ("sdxl", "head")
    assert len(spec.search.space.of_kind("block")) == 19
    assert {knob.name for knob in spec.search.space.of_kind("self")} == {
        f"self:{site}" for site in suggested_sites(RecipeFrame(family="sdxl"))
    }
    apart = read(tmp_path, "[merge]\nseparate = true\n[space.blocks]\nfreeze = { LABEL = 0.1, BASE = 0 }", text)
    assert {"TIME", "OUT"} <= set(knobs(apart))
    assert {"LABEL", "BASE"}.isdisjoint(knobs(apart))
    told = read(tmp_path, '[merge]\nfamily = "sd2"', text)
    assert (told.search.space.frame.family, told.search.space.frame.dialect) == ("sd2", "classic")


def test_choices_are_words_and_files(tmp_path: Path) -> None:
    table = '[space.choices]\nmode = ["Weight sum", "Add difference"]\nvae = ["merged", "x.safetensors"]'
    spec = read(tmp_path, table, THREE)
    assert spec.rendering.vaes == {"merged": None, "x.safetensors": tmp_path / "x.safetensors"}
    assert spec.rendering.merges_vae
    point = spec.search.space.flat(0.5) | {"mode": 1.0, "vae": 1.0}
    candidate = spec.search.candidate(point)
    assert (candidate.recipe.runs[0].mode, candidate.vae) == ("Add difference", "x.safetensors")
    assert candidate.key != spec.search.candidate(point | {"vae": 0.0}).key
    assert spec.rendering.baseline(candidate.recipe).vae == "merged"
    two = read(tmp_path, '[space.choices]\nvae = ["y.pt", "x.safetensors"]')
    assert not two.rendering.merges_vae


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("", '[merge]\nmode = "Triple sum"', "merge.mode"),
        ("", '[merge]\nmode = "Add difference"\ncalculation = "extract"\ngamma = 0.5', "merge.gamma"),
        ('[merge]\nmode = "Triple sum"', '[merge]\nmode = "Triple sum"\n[space.second]\nhigh = 0.5', "space.beta:IN00"),
        ('[merge]\ncalculation = "tensor"', '[merge]\ncalculation = "tensor"\nbeta = 0.2', "merge.beta"),
        ("", '[merge]\ndialect = "2023"', "merge.dialect"),
        ("", "[space.blocks]\nstep = 0.05", "space.IN00"),
        ("", '[space.blocks]\nties = { OUT05 = "IN05" }', "space.OUT05"),
        ("", '[space.choices]\ncalculation = ["normal", "tensor"]', "space.calculation"),
    ],
)
def test_the_fingerprint_knows_merge_and_space(tmp_path: Path, one: str, other: str, said: str) -> None:
    prints: list[dict[str, str]] = []
    for tables in (one, other):
        text = THREE if re.search("Triple|difference", tables) else STUDY
        prints.append(read(tmp_path, tables, text).fingerprint())
    assert prints[0].get(said) != prints[1].get(said)


# ------------------------------------------------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("tables", "three", "expected"),
    [
        ('[merge]\nmode = "Add difference"', False, ["models.C: is missing: Add difference takes three models; name"]),
        ('[merge]\ncalculation = "extract"', False, ["models.C: is missing: extract takes three models; name"]),
        ("", True, ['models.C: is not used: Weight sum takes two models ("c.safetensors"); leave it out, or choose a']),
        (
            '[merge]\nmode = "Sum twice"',
            False,
            ['merge.mode: unknown merge mode ("Sum twice"); did you mean sum Twice?'],
        ),
        ('[merge]\ndialect = "2024"', False, ['merge.dialect: unknown dialect ("2024"); did you mean 2023?']),
        ('[merge]\ncalculation = "median"', False, ['merge.calculation: unknown calculation mode ("median"); known']),
        (
            '[merge]\ncalculation = "extract"\ndialect = "2023"',
            True,
            ['merge.calculation: is not known in the dialect 2023 ("extract"); known here: normal, cosineA'],
        ),
        (
            '[merge]\ncalculation = "self"',
            False,
            ['merge.calculation: multiplies A alone by the ratios ("self"); choose sites under [space.self]'],
        ),
        (
            '[merge]\ndialect = "head"\nfamily = "sd1"',
            False,
            ['merge.dialect: SuperMerger stops with an error when it merges SD1 in this dialect ("head"); write'],
        ),
        (
            "[merge]\nseparate = true",
            False,
            ["merge.separate: TIME, OUT and LABEL have no separate ratios in SD1, dialect classic (true); that"],
        ),
        ("[merge]\ngamma = 0.5", False, ["merge.gamma: counts only in the calculation mode extract (0.5)"]),
        ("[merge]\nbeta = 0.5", False, ["merge.beta: there is no second ratio in Weight sum (0.5); leave it out"]),
        (
            '[merge]\nmode = "Triple sum"\nbeta = 0.5\n[space.second]\nhigh = 0.5',
            True,
            ["merge.beta: is one second ratio for all blocks, and [space.second] searches one for each (0.5); leave"],
        ),
        ("[space.second]\nhigh = 0.5", False, ["space.second: there is no second ratio by block in Weight sum; leave"]),
        (
            '[merge]\ncalculation = "extract"\n[space.second]\nhigh = 0.5',
            True,
            ["space.second: there is no second ratio by block in extract; write beta under [merge]"],
        ),
        (
            '[space.choices]\nmode = ["Triple sum", "Weight sum"]\ncalculation = ["normal", "extract"]',
            True,
            ["space.choices.calculation: extract has one second ratio for all blocks, and one for each block is"],
        ),
        (
            '[merge]\ncalculation = "extract"\n[space.blocks]\nhigh = 1.5',
            True,
            ["space: extract: alpha is 1.5; it must be from 0 to 1"],
        ),
        ("[space.blocks]\nlow = -3", False, ["space.blocks.low: must not be below -2 (-3)"]),
        (
            "[space.blocks]\nbounds = { M00 = [0, 4] }",
            False,
            ["space.blocks.bounds.M00: must lie within -2 and 3 ([0, 4])"],
        ),
        (
            "[space.blocks]\nbounds = { M00 = [0, 1, 2] }",
            False,
            ["space.blocks.bounds.M00: the third number is a grid between the bounds, 0.000001 or more ([0, 1, 2])"],
        ),
        ("[space.blocks]\nstep = 0", False, ["space.blocks.step: must not be below 1e-06 (0)"]),
        (
            "[space.blocks]\nstep = 0.5\nbounds = { M00 = [0, 0.2] }",
            False,
            ["space.blocks.M00: step 0.5 is no grid for 0..0.2; change the [space] tables"],
        ),
        (
            "[space.blocks]\nties = { OUT05 = 'IN05', IN05 = 'IN04', TIME = 'IN00' }",
            False,
            [
                "space.blocks.ties.TIME: TIME is not a block with a ratio of its own in SD1; there are BASE, IN00",
                "space.blocks.ties.OUT05: is tied to IN05, which is tied itself; name IN04, or another one",
            ],
        ),
        (
            "[space.blocks]\nties = { OUT05 = 'IN05', IN05 = 'IN04' }",
            False,
            ["space.blocks.ties.OUT05: is tied to IN05, which is tied itself; name IN04, or another one"],
        ),
        (
            "[space.blocks]\nties = { OUT05 = 'OUT05' }",
            False,
            ["space.blocks.ties.OUT05: is tied to itself; leave it out, or name another one"],
        ),
        (
            "[space.second]\nties = { OUT05 = 'OUT05' }\n[merge]\nmode = 'sum Twice'",
            True,
            ["space.second.ties.OUT05: is tied to itself; leave it out, or name another one"],
        ),
        (
            "[space.blocks]\nbounds = { M00 = [0, 0.5] }\nfreeze = { M00 = 0.1 }",
            False,
            ["space.blocks.bounds.M00: is under freeze too; leave it in one of them"],
        ),
        (
            '[space.choices]\nmode = ["Weight sum"]\ncalculation = ["normal", "normal"]',
            False,
            ["space.choices.mode: needs at least 2 entries", 'space.choices.calculation: holds "normal" twice'],
        ),
        (
            '[merge]\nmode = "Weight sum"\n[space.choices]\nmode = ["Weight sum", "Add difference"]',
            True,
            ['merge.mode: is decided by space.choices.mode ("Weight sum"); leave one of them out'],
        ),
    ],
)
def test_each_problem_of_merge_and_space(tmp_path: Path, tables: str, three: bool, expected: list[str]) -> None:
    lines = problems(tmp_path, with_tables(THREE if three else STUDY, tables))
    assert len(lines) == len(expected), lines
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected
    assert all("; " in line for line in lines)


def test_what_an_sdxl_study_cannot_say_is_told_at_once(tmp_path: Path) -> None:
    for name in "abc":
        write_sdxl(tmp_path / f"{name}.safetensors")
    tables = """
[merge]
mode = "Triple sum"
dialect = "2023"
[space.blocks]
freeze = { OUT10 = 0 }
groups = { X = ["IN07-M00"], Y = ["IN00-IN06", "OUT11"] }
[space.second]
bounds = { IN11 = [0, 1] }
"""
    text = STUDY.replace('["OUT05:attn1"]', '["OUT08:attn1"]\nfreeze = { "OUT04:attn1" = 0.9 }')
    text = text.replace("CONT = [-5, 5]", "BRI = [-5, 5]")
    lines = problems(tmp_path, with_tables(text, tables))
    expected = [
        "models.C: is missing: Triple sum takes three models; name the third model",
        "space.blocks.freeze.OUT10: OUT10 is not a block with a ratio of its own in SDXL; there are BASE, IN00 to IN08",
        "space.second.bounds.IN11: IN11 is not a block with a ratio of its own in SDXL; there are BASE, IN00 to IN08",
        'space.blocks.groups.Y[2]: unknown block OUT11 in SDXL ("OUT11"); there are BASE, IN00 to IN08, M00',
        'space.self.freeze."OUT04:attn1": OUT04:attn1 is not a site of this study; add it to sites',
        "space.self.sites: no tensor that Self may multiply belongs to it in SDXL, dialect 2023",
        "space.adjust.BRI: is not an Adjust field of the dialect 2023; known here: IN, OUT, OUT2, CONT, COL1, COL2, C",
    ]
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


def test_second_ratios_beside_separate_ids_are_refused(tmp_path: Path) -> None:
    write_sdxl(tmp_path / "a.safetensors")
    (line,) = problems(tmp_path, with_tables(THREE, '[merge]\nmode = "Triple sum"\nseparate = true'))
    assert line.startswith("space: Triple sum, normal: SuperMerger writes the second ratio over the first where TIME")
    assert line.endswith("; leave separate out")


def test_models_and_vaes_are_named_once(tmp_path: Path) -> None:
    text = THREE.replace('"c.safetensors"', '"b.safetensors"').replace("[render]\n", '[render]\nvae = "x.pt"\n')
    tables = '[space.choices]\nmode = ["Triple sum", "sum Twice"]\nvae = ["merged", "y.pt"]'
    assert problems(tmp_path, with_tables(text, tables)) == [
        'models.C: is the same file as B ("b.safetensors"); name different checkpoints',
        'render.vae: is decided by space.choices.vae ("x.pt"); leave one of them out',
    ]
    with pytest.raises(StudyError, match=r'space\.choices\.vae\[2\]: there is no such file \("y\.pt"\)'):
        read(tmp_path, tables, text)


@pytest.mark.parametrize("ratio", RATIO_LIMITS)
def test_ratios_up_to_the_limits_are_written_and_read_by_supermerger(tmp_path: Path, ratio: float) -> None:
    from engine.supermerger.weights import parse_weights, weights_line

    low, high = RATIO_LIMITS
    spec = read(tmp_path, f"[space.blocks]\nlow = {low}\nhigh = {high}")
    point = {knob.name: ratio if knob.kind == "block" else knob.rest for knob in spec.search.space.free}
    alpha = spec.search.space.decode(point).runs[0].alpha
    assert isinstance(alpha, tuple)
    assert parse_weights(weights_line(alpha), "sd1", DIALECTS["classic"]).numbers == alpha
