"""The recipes of a probe and their objective are earlier trials of the search of its study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from search.space.build import build_space
from studies.errors import StudyError
from studies.results.probe import ProbedRecipe, ProbeResult, write_probe
from studies.results.probe_beginning import NAME, copy_of_probe
from studies.studyfile.earlier import PROBE
from tests.studies.after_recipe.probe.made_up import made_up

SPACE = build_space()
"""BASE is frozen at 0."""
STRONG = {"OUT05": 1.0, "IN07": -0.6}
"""What B's block adds to the objective; the others add nothing."""


def probed(label: str, ratios: dict[str, float], error: float = 0.1) -> ProbedRecipe:
    """A recipe round FLAT_50, and its objective against it."""
    alpha = dict(zip(BLOCKS, (0.0, *[0.5] * 25), strict=True)) | ratios
    value = sum(gain * (alpha[block] - 0.5) for block, gain in STRONG.items())
    recipe = Recipe(steps=(MergeStep(alpha=tuple(alpha.values())),))
    return ProbedRecipe(label=label, recipe=recipe.text, vae="", value=value, standard_error=error)


def one_at_a_time(blocks: tuple[str, ...] = BLOCKS) -> ProbeResult:
    """A probe that moved some blocks."""
    base = ProbedRecipe(label="base", recipe=Recipe.flat(0.5).text, vae="", value=0.0, standard_error=0.0)
    moved = [
        probed(f"{block} = {end:g}", {block: end}, 0.1 + 0.001 * place)
        for place, block in enumerate(blocks)
        for end in (0.0, 1.0)
    ]
    return replace(made_up(), recipes=(base, *moved))


def test_its_recipes_become_trials_and_what_they_promise_is_tried_first(tmp_path: Path) -> None:
    result = one_at_a_time()
    write_probe(tmp_path, result)
    copy = copy_of_probe(tmp_path, SPACE, 1, {one.letter: one.sha256 for one in result.models})
    assert (copy.begin, copy.name) == (PROBE, NAME)
    assert len(copy.trials) == 52  # the base and 50: BASE = 0 is the base again, in another text, and BASE = 1 is out
    assert [one.stage for one in copy.trials].count("flat") == 2
    by_point = {one.point["OUT05"]: one.value for one in copy.trials if one.point["IN07"] == 0.5}
    assert (by_point[1.0], by_point[0.0]) == (0.5, -0.5)
    assert copy.recommended["OUT05"] > 0.8
    assert copy.recommended["IN07"] < 0.2
    assert copy.earlier(SPACE).trials
    assert copy.first_recipe(SPACE).label == "best of the probe"
    assert copy.remark == (
        "begins with what its probe measured: 52 of its 53 recipes with a value; 1 lie outside of [space]"
    )


def test_the_base_has_the_usual_error_and_not_none(tmp_path: Path) -> None:
    result = one_at_a_time()
    write_probe(tmp_path, result)
    base, _, first = copy_of_probe(tmp_path, SPACE, 1).trials[:3]
    assert base.standard_error == pytest.approx(median(one.standard_error or 0 for one in result.recipes[1:]))
    assert first.standard_error == pytest.approx(0.101)


def test_without_a_probe_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no probe yet.*run `recipe-search probe`"):
        copy_of_probe(tmp_path, SPACE, 1)


def test_a_probe_of_other_models_is_refused(tmp_path: Path) -> None:
    write_probe(tmp_path, one_at_a_time())
    with pytest.raises(StudyError, match=r"probe of other models.*again"):
        copy_of_probe(tmp_path, SPACE, 1, {"A": "2" * 64, "B": "1" * 64})


def test_too_few_recipes_in_the_space_are_refused(tmp_path: Path) -> None:
    write_probe(tmp_path, one_at_a_time(("BASE", "IN00", "IN01", "IN02")))
    with pytest.raises(StudyError, match=r"9 recipes of it have a value, and 2 of them lie in \[space\]"):
        copy_of_probe(tmp_path, build_space(freeze={"OUT05": 0.5, "IN00": 0.5, "IN01": 0.5, "IN02": 0.5}), 1)


def test_broken_recipes_are_left_out(tmp_path: Path) -> None:
    result = one_at_a_time()
    broken = replace(result.recipes[-1], value=None, standard_error=None)
    write_probe(tmp_path, replace(result, recipes=(*result.recipes[:-1], broken)))
    assert len(copy_of_probe(tmp_path, SPACE, 1).trials) == 51
