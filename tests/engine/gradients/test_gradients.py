"""Derivatives of pictures by numbers of a recipe, against finite differences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.errors import EngineError, RecipeError, RenderError
from engine.gradients.derivatives import Move
from engine.gradients.gradients import Gradients
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from tests.engine.gradients.moved import STEPS, central_differences, chain, engine_of, moves


def shots(
    sampler: str = "Euler", prompt: str = "a [red cat:blue house:0.5] [on the beach|in the city]", steps: int = 2
) -> list[Shot]:
    """Prompts whose every call says something else."""
    shot = Shot(prompt=prompt, seed=1, width=64, height=64, steps=steps, cfg=3.0, sampler=sampler)
    return [shot, replace(shot, seed=2)]


def picture_loss(pictures: Tensor) -> Tensor:
    """Not a mean over pictures: all are seen at once."""
    means = pictures.mean((2, 3)).double()
    return 100 * (means.prod(0) * torch.tensor([1.0, -2.0, 0.5])).sum()


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Heun"])
def test_pictures_have_the_derivatives_of_finite_differences(trained: LiveWeights, sampler: str) -> None:
    engine, wanted = engine_of(trained), shots(sampler)
    chosen = {name: move for name, move in moves().items() if name in STEPS}

    def value(recipe: Recipe) -> float:
        engine.build(recipe)
        return float(picture_loss(engine.render(wanted)))

    found = Gradients(engine).of_pictures(chain(), chosen, wanted, picture_loss, last=9)
    assert found.value == pytest.approx(value(chain()), rel=1e-6)
    for name, difference in central_differences(value, STEPS).items():
        assert found.by_name[name] == pytest.approx(difference, rel=0.01, abs=0.01), name


def test_traced_pictures_are_the_rendered_ones(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    found = Gradients(engine).of_pictures(chain(), moves(), shots(), picture_loss)
    assert found.pictures is not None
    assert torch.equal(found.pictures, engine.render(shots()))


def test_thrift_changes_no_derivative(trained: LiveWeights) -> None:
    gradients = Gradients(engine_of(trained))
    plain = gradients.of_pictures(chain(), moves(), shots(), picture_loss, last=2)
    thrifty = gradients.of_pictures(chain(), moves(), shots(), picture_loss, last=2, thrifty=True)
    assert thrifty.by_name == pytest.approx(plain.by_name, rel=1e-5)


def test_pictures_one_by_one_have_the_same_derivatives(trained: LiveWeights) -> None:
    gradients = Gradients(engine_of(trained))
    together, single = (
        gradients.of_pictures(chain(), moves(), shots(), picture_loss, last=2, at_once=count) for count in (2, 1)
    )
    assert single.by_name == pytest.approx(together.by_name, rel=1e-4, abs=1e-4)


def test_fewer_steps_see_less(trained: LiveWeights) -> None:
    gradients = Gradients(engine_of(trained))
    found = [gradients.of_pictures(chain(), moves(), shots(), picture_loss, last=last).by_name for last in (1, 2, 3)]
    assert found[0] != pytest.approx(found[1], rel=1e-3)
    assert found[2] == pytest.approx(found[1])


def test_a_loss_without_gradient_has_no_derivatives(trained: LiveWeights) -> None:
    found = Gradients(engine_of(trained)).of_pictures(chain(), moves(), shots(), lambda pictures: (pictures * 0).sum())
    assert set(found.by_name.values()) == {0.0}


def test_base_is_refused(weights: LiveWeights) -> None:
    move = Move(recipe=Recipe.flat(0.5, base=0.5), step=0.5)
    with pytest.raises(RecipeError, match="derivatives by BASE's ratio are not known"):
        Gradients(engine_of(weights)).of_pictures(Recipe.flat(0.5), {"BASE": move}, shots(), picture_loss)


def test_no_last_step_is_refused(weights: LiveWeights) -> None:
    with pytest.raises(RenderError, match="the last 0 steps of 4 pictures at once"):
        Gradients(engine_of(weights)).of_pictures(chain(), moves(), shots(), picture_loss, last=0)


def test_a_second_pass_is_refused(weights: LiveWeights) -> None:
    enlarged = [replace(shots()[0], hires=Hires(upscaler="Latent", scale=2.0)), shots()[0]]
    with pytest.raises(RenderError, match="1 of 2 shots have a second pass"):
        Gradients(engine_of(weights)).of_pictures(chain(), moves(), enlarged, picture_loss)


def test_pictures_of_odd_sizes_are_refused(weights: LiveWeights) -> None:
    engine = engine_of(weights)
    engine.build(chain())
    with pytest.raises(RenderError, match="multiples of 8"):
        Gradients(engine).encode(torch.rand(1, 3, 60, 64))


def test_pictures_are_not_encoded_before_a_build(weights: LiveWeights) -> None:
    with pytest.raises(RenderError, match="no recipe is built"):
        Gradients(engine_of(weights)).encode(torch.rand(1, 3, 64, 64))


def test_a_closed_engine_is_refused(weights: LiveWeights) -> None:
    engine = engine_of(weights)
    engine.close()
    with pytest.raises(EngineError, match="the engine is closed"):
        Gradients(engine).of_pictures(chain(), moves(), shots(), picture_loss)
