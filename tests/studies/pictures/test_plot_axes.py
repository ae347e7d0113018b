"""Axes: names, values, labels, what they do to shots, and what is wrong with them, without any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Problems
from engine.recipes.dialects import dialect_of
from engine.recipes.recipe import Recipe
from engine.shots.hires import Hires
from engine.shots.options import PictureOptions
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.pictures.plot_axes import PlotAxis, read_axis
from studies.pictures.plot_kinds import AXIS_KINDS, kind_of
from studies.pictures.plot_models import PlotModels
from studies.pictures.plot_plan import PlotPlan, idle_axes, plan, script_pairs
from studies.pictures.sources import PictureSource

BASE: Mapping[str, Any] = {"prompt": "a red cat, grey fur", "negative": "grey", "seed": 7}


def axis(text: str, letter: str = "X", usual: Sequence[Any] = ()) -> PlotAxis:
    name, equals, values = text.partition("=")
    problems = Problems()
    found = read_axis(letter, kind_of(name), values if equals else None, usual, dialect_of("classic"), problems)
    assert problems.found == []
    assert found is not None
    return found


def wrong(text: str) -> list[str]:
    name, _, values = text.partition("=")
    problems = Problems()
    read_axis("X", kind_of(name), values, (), dialect_of("classic"), problems)
    return list(map(str, problems.found))


def models(*sources: str) -> PlotModels:
    recipe = Recipe.flat(0.5)
    found = [
        PictureSource(name=name, short_hash="0", recipe=recipe, models={}, made_by=recipe, round_to="fp16")
        for name in sources or ["half"]
    ]
    return PlotModels(sources=tuple(found), labels=sources, axes=(), by_place={(): 0})


def planned(*texts: str, **base: Any) -> PlotPlan:
    axes = [axis(text, letter) for text, letter in zip(texts, "XYZ", strict=False)]
    problems = Problems()
    found = plan(axes, {**BASE, **base}, models(), problems)
    assert problems.found == []
    return found


def refused(*texts: str, **base: Any) -> list[str]:
    axes = [axis(text, letter) for text, letter in zip(texts, "XYZ", strict=False)]
    problems = Problems()
    plan(axes, {**BASE, **base}, models(), problems)
    return list(map(str, problems.found))


# ---------------------------------------------------------------------------------------------------- names, labels


@pytest.mark.parametrize("name", ["CFG Scale", "cfg scale", " CFG  SCALE "])
def test_names_may_be_written_in_any_case(name: str) -> None:
    assert kind_of(name) is AXIS_KINDS["CFG Scale"]


def test_an_unknown_axis_is_told_with_what_may_be_meant() -> None:
    with pytest.raises(StudyError, match="there is no axis 'Sampeler'; did you mean Sampler"):
        kind_of("Sampeler")
    with pytest.raises(StudyError, match=r"known here: Seed, Steps, .*, Recipe, alpha, .*, mbw alpha, "):
        kind_of("xyzzy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Seed=1-2", ["Seed: 1", "Seed: 2"]),
        ("CFG Scale=7,7.5", ["CFG Scale: 7.0", "CFG Scale: 7.5"]),
        ("Eta=0.123456789", ["Eta: 0.12345679"]),
        ("Sampler=Euler a,DDIM", ["Euler a", "DDIM"]),
        ("Schedule type=karras", ["Schedule type: Karras"]),
        ("Prompt S/R=red,blue,", ["red", "blue", ""]),
        ("Prompt order=red,cat", ["red, cat", "cat, red"]),
        ("Size=512x768", ["Size: 512x768"]),
        ("RNG source=GPU,cpu", ["RNG source: NV", "RNG source: CPU"]),
        ("Checkpoint name=models/a.safetensors,b.toml", ["a.safetensors", "b.toml"]),
        ("Prompt=a cat\\na dog, red", ["Prompt: a cat", "Prompt: a dog, red"]),
        ("mbw alpha=FLAT_25\\nGRAD_V", ["mbw alpha: FLAT_25", "mbw alpha: GRAD_V"]),
        ("adjust=0,0,0,1", ["adjust: 0, 0, 0, 1"]),
        ("elemental=\\n\\nOUT05:attn1:0.1", ["elemental: none", "elemental: OUT05:attn1:0.1"]),
    ],
)
def test_labels(text: str, expected: list[str]) -> None:
    assert axis(text).labels == expected


def test_values_that_are_left_out_are_those_of_the_options() -> None:
    assert axis("Seed", usual=[3, 1]).values == (3, 1)
    assert axis("Prompt", usual=["a, b", "c"]).text == '"a, b",c'


# ----------------------------------------------------------------------------------------------------------- shots


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("Seed=1-2", "seed", [1, 2]),
        ("Steps=10-20(+10)", "steps", [10, 20]),
        ("CFG Scale=5-7[3]", "cfg", [5.0, 6.0, 7.0]),
        ("Prompt=a cat, a dog", "prompt", ["a cat", "a dog"]),
        ("Negative prompt=bad\\n", "negative", ["bad"]),
        ("Sampler=Euler a,DDIM", "sampler", ["Euler a", "DDIM"]),
        ("Sampler=DPM++ 2M Exponential", "schedule", ["Exponential"]),
        ("Schedule type=Karras,SGM uniform", "schedule", ["Karras", "SGM Uniform"]),
        ("Eta=0-1[3]", "eta", [0.0, 0.5, 1.0]),
        ("Sigma noise=1.1", "s_noise", [1.1]),
        ("ENSD=0,31337", "ensd", [0, 31337]),
        ("RNG source=NV,CPU,GPU", "rng", ["NV", "CPU", "NV"]),
        ("Var. seed=1,2", "options", [PictureOptions(variation_seed=seed) for seed in (1, 2)]),
        ("Var. strength=0-1[3]", "options", [PictureOptions(variation_strength=share) for share in (0.0, 0.5, 1.0)]),
        ("Sigma Churn=0,5", "options", [PictureOptions(), PictureOptions(s_churn=5.0)]),
        ("Sigma min=0.1", "options", [PictureOptions(s_tmin=0.1)]),
        ("Sigma max=9", "options", [PictureOptions(s_tmax=9.0)]),
        ("Schedule min sigma=0.1", "options", [PictureOptions(sigma_min=0.1)]),
        ("Schedule max sigma=10", "options", [PictureOptions(sigma_max=10.0)]),
        ("Schedule rho=5", "options", [PictureOptions(rho=5.0)]),
        ("Negative Guidance minimum sigma=1.5", "options", [PictureOptions(ngms=1.5)]),
        ("Skip Early CFG=0.1", "options", [PictureOptions(skip_early_cfg=0.1)]),
        ("Emphasis=Original,No norm", "options", [PictureOptions(), PictureOptions(emphasis="No norm")]),
        ("Clip skip=1-3", "clip_skip", [1, 2, 3]),
        ("Size=64x128,72X64", "width", [64, 72]),
        ("Size=64x128,72 x 64", "height", [128, 64]),
        ("Prompt S/R=red,blue,green", "prompt", [f"a {word} cat, grey fur" for word in ("red", "blue", "green")]),
        ("Prompt S/R=grey,black", "negative", ["grey", "black"]),
        ("Prompt S/R=grey,black", "prompt", ["a red cat, grey fur", "a red cat, black fur"]),
        ("Prompt order=fur,red", "prompt", ["a fur cat, grey red", "a red cat, grey fur"]),
    ],
)
def test_every_axis_reaches_the_shot_and_nothing_else(text: str, field: str, expected: list[Any]) -> None:
    shots = [cell.shot for cell in planned(text).cells]
    assert [getattr(shot, field) for shot in shots] == expected
    touched = {"width", "height"} | {"sampler", "schedule"} | {"prompt", "negative"}
    kept = {name: getattr(Shot(**BASE), name) for name in Shot.__slots__ if name != field and name not in touched}
    assert all(getattr(shot, name) == value for shot in shots for name, value in kept.items())


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("Hires steps=0,5", "steps", [0, 5]),
        ("Hires upscaler=latent,Lanczos", "upscaler", ["Latent", "Lanczos"]),
        ("Hires sampler=Euler a,DDIM", "sampler", ["Euler a", "DDIM"]),
        ("Hires upscale=1.25,2", "scale", [1.25, 2.0]),
        ("Denoising=0.2-0.8[3]", "denoise", [0.2, 0.5, 0.8]),
    ],
)
def test_axes_of_hires_fix_keep_the_rest_of_it_and_make_one_where_there_is_none(
    text: str, field: str, expected: list[Any]
) -> None:
    for hires in (Hires(scale=1.5, cfg=4.0), None):
        found = [cell.shot.hires for cell in planned(text, steps=20, hires=hires).cells]
        assert found == [replace(hires or Hires(), **{field: value}) for value in expected]


def test_room_is_for_the_picture_that_comes_out() -> None:
    assert planned("Denoising=0.5", hires=Hires(scale=2.0), width=64, height=72).size == (128, 144)


def test_a_scale_takes_the_place_of_a_size() -> None:
    assert planned("Hires upscale=1.5", hires=Hires(resize=(256, 0)), width=64, height=64).size == (96, 96)


def test_cells_come_x_first_then_y_then_z() -> None:
    found = planned("Seed=1-2", "Steps=5,6,7", "CFG Scale=3-4")
    assert [cell.place for cell in found.cells] == [(x, y, z) for z, y, x in product(range(2), range(3), range(2))]
    assert [(cell.shot.seed, cell.shot.steps, cell.shot.cfg) for cell in found.cells] == [
        (seed, steps, cfg) for cfg, steps, seed in product([3.0, 4.0], [5, 6, 7], [1, 2])
    ]


def test_whole_prompts_come_before_what_changes_them_whatever_the_letters() -> None:
    for texts in (("Prompt S/R=cat,dog", "Prompt=a cat,the cat"), ("Prompt=a cat,the cat", "Prompt S/R=cat,dog")):
        assert {cell.shot.prompt for cell in planned(*texts).cells} == {"a cat", "a dog", "the cat", "the dog"}


def test_two_searches_follow_each_other() -> None:
    cells = planned("Prompt S/R=red cat,blue dog", "Prompt S/R=grey,dark").cells
    assert [cell.shot.prompt for cell in cells] == [
        "a red cat, grey fur", "a blue dog, grey fur", "a red cat, dark fur", "a blue dog, dark fur",
    ]  # fmt: skip


def test_room_is_for_the_largest_picture() -> None:
    assert planned("Size=64x128,72x64").size == (72, 128)


def test_axes_that_change_nothing_are_found() -> None:
    found = planned("Eta=0.2,0.4", "Sampler=DPM++ 2M,Euler", "Clip skip=1-2")
    assert [one.kind.name for one in idle_axes(found)] == ["Eta"]
    assert not list(idle_axes(planned("Eta=0.2,0.4", "Sampler=DPM++ 2M,Euler a")))


def test_the_pairs_are_those_of_the_webui() -> None:
    axes = [axis("Seed=1-3(+2)"), axis("Prompt S/R=red,blue", "Y"), axis("Steps=5", "Z")]
    assert script_pairs(axes) == {
        "Script": "X/Y/Z plot",
        "X Type": "Seed",
        "X Values": "1-3(+2)",
        "Fixed X Values": "1, 3",
        "Y Type": "Prompt S/R",
        "Y Values": "red,blue",
        "Z Type": "Steps",
        "Z Values": "5",
    }


# -------------------------------------------------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Steps=a,5,b-c",
            ["axis Steps: value 'a': is neither a whole number", "axis Steps: value 'b-c': is neither a whole number"],
        ),
        ("CFG Scale=x", ["axis CFG Scale: value 'x': is neither a number nor a range"]),
        ("Size=512", ["axis Size: value '512': is not a size; write width and height"]),
        ("Seed=", ["axis Seed: has no values"]),
        ('Sampler="a', ["axis Sampler: '\"a' is not a list"]),
        ("Prompt order=" + ",".join("abcdefgh"), ["8 words have 40320 orders or more"]),
        ("mbw alpha=FLAT_25|FLAT_50", ["axis mbw alpha: | separates the values of several plots"]),
        ("pinpoint adjust=CONT,NOSE", ["axis pinpoint adjust, value 2: 'NOSE' is no Adjust field"]),
    ],
)
def test_values_that_cannot_be_read_are_all_told(text: str, said: list[str]) -> None:
    found = wrong(text)
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))


def test_merges_need_a_recipe() -> None:
    problems = Problems()
    assert read_axis("X", kind_of("alpha"), "0.5", (), None, problems) is None
    assert list(map(str, problems.found)) == [
        "axis alpha: changes a recipe; give a recipe file (.toml), not a checkpoint"
    ]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("CFG Scale=5,99", "Seed=1-2"), ["axis CFG Scale, value '99.0': cfg: must be a number from 1.0 to 30.0 (99"]),
        (("Seed=1-2", "CFG Scale=99"), ["axis CFG Scale, value '99.0': cfg: must be"]),
        (("Sampler=Eular,Euler",), ["axis Sampler, value 'Eular': sampler: unknown sampler (\"Eular\"); did you mean"]),
        (("Clip skip=0-13[2]",), ["value '0': clip_skip: must be", "value '13': clip_skip: must be"]),
        (("Size=100x64,64x64",), ["axis Size, value '100x64': width: must be a multiple of 8 (100)"]),
        (
            ("Sampler=DDIM,Euler", "Schedule type=Karras,Automatic"),
            ["axis Sampler, value 'DDIM' and axis Schedule type, value 'Karras': schedule: DDIM"],
        ),
        (("Prompt S/R=dog,cat",), ["Prompt S/R did not find 'dog' in the prompt or the negative prompt"]),
        (("Prompt S/R=red,blue", "Prompt=red cat,dog"), ["axis Prompt, value 'dog': Prompt S/R did not find 'red'"]),
        (("Denoising=0.5,2",), ["axis Denoising, value '2.0': hires.denoise: must be a number from 0.0 to 1.0 (2.0)"]),
        (("Denoising=2",), ["axis Denoising, value '2.0': hires.denoise: must be"]),
        (("Hires steps=200",), ["axis Hires steps, value '200': hires.steps: must be"]),
        (("Prompt order=red,dog",), ["Prompt order did not find 'dog'"]),
    ],
)  # fmt: skip
def test_values_that_cannot_be_honoured_are_told_with_their_axis(texts: tuple[str, ...], said: list[str]) -> None:
    found = refused(*texts)
    assert len(found) == len(said), found
    assert all(words in line for words, line in zip(said, found, strict=True)), found


def test_a_setting_that_no_axis_has_is_told_alone() -> None:
    assert refused("Seed=1-2", steps=999) == ["steps: must be a whole number from 1 to 150 (999)"]


def test_paths_keep_their_backslashes() -> None:
    assert axis(r"Recipe=models\new.toml").values == (Path(r"models\new.toml"),)


@pytest.mark.parametrize("name", ["VAE", "Recipe", "Checkpoint name"])
def test_homes_that_there_are_not_are_problems(name: str) -> None:
    problems = Problems()
    read_axis("X", kind_of(name), "~nosuchuser/a.safetensors", (), None, problems)
    assert [problem.what for problem in problems.found] == ["~nosuchuser/a.safetensors: there is no such home folder"]
