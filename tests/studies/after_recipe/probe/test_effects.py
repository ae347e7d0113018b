"""Effects and their errors: planted ones are found, empty ones are not called clear, broken pictures cost no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.after_recipe.probe.designs.design import ProbeDesign, one_at_a_time, screening
from studies.after_recipe.probe.effects import Measured, effects_of, floor_of, seed_noise, standard_errors
from studies.after_recipe.probe.picture_measures import Numbers
from studies.results.probe import ONE, SCREEN, KnobEffect

KNOBS = tuple(f"K{number}" for number in range(6))
DESIGNS = {ONE: one_at_a_time(KNOBS), SCREEN: screening(KNOBS)}


def levels(design: ProbeDesign) -> np.ndarray:
    return np.array([[recipe.levels.get(knob, 0) for knob in design.knobs] for recipe in design.recipes], float)


def measured(design: ProbeDesign, slopes: list[float], shots: int = 8, spread: float = 0.1, seed: int = 1) -> Measured:
    """Recipes whose contrast and pixels answer to the knobs; every shot answers a little differently."""
    rng = np.random.default_rng(seed)
    by_shot = np.array(slopes)[:, None] + spread * rng.normal(size=(len(slopes), shots))
    contrast = 50 + levels(design) @ by_shot
    products: list[dict[str, Numbers]] = []
    for shot in range(shots):
        vectors = levels(design) @ (by_shot[:, shot, None] * np.eye(len(slopes), 40))
        vectors = vectors + 0.01 * rng.normal(size=vectors.shape)
        product: Numbers = vectors @ vectors.T
        products.append({"pixels": product, "colour": product, "composition": product})
    made = tuple(range(len(design.recipes)))
    return Measured(design=design, made=made, signed={"contrast": contrast}, products=products)


def column(effects: list[KnobEffect], name: str) -> list[KnobEffect]:
    return [one for one in effects if one.column == name]


@pytest.mark.parametrize("method", [ONE, SCREEN])
def test_planted_effects_are_found_with_sign_and_error(method: str) -> None:
    slopes = [3.0, -2.0, 1.0, 0.0, 0.0, 0.0]
    effects = effects_of(measured(DESIGNS[method], slopes), {"contrast": 4.0})
    contrast = column(effects, "contrast")
    for one, slope in zip(contrast, slopes, strict=True):
        assert one.effect == pytest.approx(2 * slope, abs=0.4)
        assert one.high == pytest.approx(slope, abs=0.2)
        assert one.low == pytest.approx(-slope, abs=0.2)
        assert one.standard_error == pytest.approx(0.2 / np.sqrt(8), rel=0.6)
        assert one.ratio == pytest.approx(abs(one.effect or 0) / 4)
    assert [one.clear for one in contrast] == [True, True, True, False, False, False]
    pixels = column(effects, "pixels")
    assert [one.effect for one in pixels[:3]] == pytest.approx([6, 4, 2], abs=0.4)
    assert all(one.ratio is None for one in pixels)
    assert [one.clear for one in pixels[:3]] == [True] * 3


def test_distances_of_knobs_that_go_a_part_of_the_way_are_told_from_noise_as_large() -> None:
    """K5 does nothing and went a tenth of the way: its noise is ten times that of the others."""
    design = screening(KNOBS, {"K5": 0.1})
    false = 0
    for seed in range(40):
        effects = column(effects_of(measured(design, [0.0] * 6, spread=0.0, seed=seed), {}), "pixels")
        assert (effects[5].effect or 0) > 5 * (effects[0].effect or 0)
        false += effects[5].clear
    assert false <= 4


@pytest.mark.parametrize("method", [ONE, SCREEN])
def test_of_knobs_that_do_nothing_few_are_called_clear(method: str) -> None:
    """With no effect at all, the chance that anything is called clear is the level."""
    signed, distances = 0, 0
    for seed in range(60):
        signed += any(
            one.clear for one in column(effects_of(measured(DESIGNS[method], [0.0] * 6, seed=seed), {}), "contrast")
        )
        still = effects_of(measured(DESIGNS[method], [0.0] * 6, spread=0.0, seed=seed), {})
        distances += any(one.clear for one in column(still, "pixels"))
        assert not any(one.clear for one in column(still, "contrast"))
    assert signed <= 8
    assert distances <= 8


def test_effects_that_are_the_same_in_every_shot_are_clear_and_none_at_all_is_not() -> None:
    exact = measured(DESIGNS[ONE], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], spread=0.0)
    contrast = column(effects_of(exact, {}), "contrast")
    assert [one.clear for one in contrast] == [True, False, False, False, False, False]
    assert contrast[1].effect == 0


@pytest.mark.parametrize("method", [ONE, SCREEN])
def test_a_broken_picture_costs_no_other_recipe_its_effect(method: str) -> None:
    whole = measured(DESIGNS[method], [3.0, -2.0, 1.0, 0.0, 0.0, 0.0])
    contrast = whole.signed["contrast"].copy()
    contrast[3, :] = np.nan
    contrast[5, 2] = np.nan
    effects = column(effects_of(replace(whole, signed={"contrast": contrast}), {}), "contrast")
    assert effects[1].effect == pytest.approx(-4, abs=0.4)
    assert effects[2].effect == pytest.approx(2, abs=0.4)
    assert (effects[0].effect is None) == (method == ONE)


@pytest.mark.parametrize("method", [ONE, SCREEN])
def test_recipes_without_pictures_are_left_out(method: str) -> None:
    whole = measured(DESIGNS[method], [3.0, -2.0, 1.0, 0.0, 0.0, 0.0])
    made = [place for place in whole.made if place != 4]
    products = [{name: one[np.ix_(made, made)] for name, one in shot.items()} for shot in whole.products]
    part = Measured(
        design=whole.design, made=tuple(made), signed={"contrast": whole.signed["contrast"][made]}, products=products
    )
    effects = effects_of(part, {})
    assert column(effects, "pixels")[0].effect == pytest.approx(6, abs=0.4)
    lost = column(effects, "pixels")[1]
    assert (lost.effect is None) == (method == ONE)
    assert lost.clear == (method == SCREEN)


def test_few_shots_have_no_error_and_nothing_is_clear() -> None:
    effects = effects_of(measured(DESIGNS[ONE], [3.0] * 6, shots=2), {"contrast": 1.0})
    assert all(one.standard_error is None and not one.clear for one in effects)
    assert len(standard_errors(effects, {"contrast": 1.0})) == 0


def test_the_floor_is_what_nothing_comes_to() -> None:
    floor = floor_of(measured(DESIGNS[SCREEN], [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    assert floor["pixels"] < 0.1
    assert floor["contrast"] == pytest.approx(0, abs=1e-9)


def test_the_noise_of_seeds_is_a_root_mean_square_of_whole_pictures() -> None:
    noise = seed_noise({"contrast": np.array([3.0, -4.0, np.nan]), "style": np.array([np.nan])})
    assert noise == {"contrast": pytest.approx(np.sqrt(12.5))}


def test_errors_are_compared_in_units_of_the_seeds() -> None:
    effects = effects_of(measured(DESIGNS[ONE], [3.0] * 6), {"contrast": 2.0})
    expected = [(one.standard_error or 0) / 2 for one in column(effects, "contrast")]
    assert standard_errors(effects, {"contrast": 2.0}) == pytest.approx(expected)
