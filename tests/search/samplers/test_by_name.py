"""Other samplers in the surrogate's place: what they are given, and spaces that they could stumble over."""

from __future__ import annotations

import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.plan import SAMPLERS, SearchPlan
from search.samplers.by_name import options_problem
from search.samplers.cma_es import suggest
from search.shots import ShotRotation
from search.space.build import build_space
from search.state import SearchState
from search.suggester import Suggester
from search.surrogate.subspace import Location
from tests.search.searching import searched

FROZEN = dict.fromkeys(UNET_BLOCKS, 0.3)


@pytest.mark.parametrize("sampler", ["cmaes", "tpe"])
def test_other_samplers_have_no_trouble_with_words_alone(sampler: str) -> None:
    space = build_space(freeze=FROZEN, choices={"vae": ("a", "b", "c")})
    history = searched(
        Suggester(space=space, plan=SearchPlan(groups=4, sampler=sampler), seed=1), lambda proposal, number: 1.0
    )
    assert {one.point["vae"] for one in history} == {0.0, 1.0, 2.0}


def test_cma_is_given_its_own_trials_alone() -> None:
    """The start of a stage, which ties it to the shots of earlier ones, is no child of its generation."""
    space, rotation = build_space(freeze=dict.fromkeys(UNET_BLOCKS[6:], 0.3)), ShotRotation(shots=12, per_trial=4)
    plan = SearchPlan(groups=0, blocks=12, refine=0, sampler="cmaes", options={"population_size": 4})
    suggester = Suggester(space=space, plan=plan, seed=1, rotation=rotation)
    history = searched(suggester, lambda proposal, _: -sum((n - 0.4) ** 2 for n in proposal.point.values()))
    first = [one for one in history if one.stage == "blocks"][1]
    subspace = SearchState(space, plan, history[: first.number]).subspace("blocks")
    position = suggest(subspace.start.tolist(), (), seed=1, options=plan.options)
    assert first.point == subspace.point(Location(position=position))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_says_which_options_it_lacks(sampler: str) -> None:
    assert options_problem(sampler, {}) is None
    problem = options_problem(sampler, {"no_such_option": 1})
    assert problem is not None
    assert problem.what.startswith(f"sampler {sampler}")
