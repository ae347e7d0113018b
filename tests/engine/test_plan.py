from __future__ import annotations

import pytest

from engine.blocks import BLOCKS, Site
from engine.layout import Widths, shapes
from engine.plan import Row, plan_for, self_factor
from engine.recipe import AdjustStep, MergeStep, Recipe, SelfStep

UNET = "model.diffusion_model."
KEYS = (*shapes(Widths()), "cond_stage_model.transformer.text_model.embeddings.position_ids")
RISING = MergeStep(ratios=tuple(n / 100 for n in range(len(BLOCKS))))


def factors(**values: float) -> SelfStep:
    return SelfStep(factors=tuple((Site.parse(name.replace("__", ":")), value) for name, value in values.items()))


def test_every_weight_has_a_row_and_no_buffer_has() -> None:
    plan = plan_for(Recipe(steps=(RISING,)), KEYS)
    assert set(plan.rows) == set(KEYS[:-1])
    assert plan.models == ("A", "B")


def test_ratios_go_by_block_text_and_vae_with_base() -> None:
    rows = plan_for(Recipe(steps=(RISING,)), KEYS).rows
    assert rows[f"{UNET}input_blocks.3.0.op.weight"] == Row(first="A", second="B", ratio=0.04)
    assert rows[f"{UNET}time_embed.0.weight"].ratio == 0.25
    assert rows["first_stage_model.decoder.conv_in.weight"].ratio == 0
    whole = plan_for(Recipe.flat(0, base=0.3), KEYS).rows
    assert whole["first_stage_model.decoder.conv_in.weight"].ratio == 0.3
    assert whole["cond_stage_model.transformer.text_model.final_layer_norm.bias"].ratio == 0.3


def test_models_are_named_in_the_rows() -> None:
    recipe = Recipe(steps=(MergeStep(models=("B", "C"), ratios=RISING.ratios),))
    assert plan_for(recipe, KEYS).rows[f"{UNET}out.0.weight"] == Row(first="B", second="C", ratio=0.25)


def test_the_last_site_wins() -> None:
    step = SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1.to_q"), 1.2)))
    stem = f"{UNET}output_blocks.5.1.transformer_blocks.0.attn1"
    assert self_factor(step, f"{stem}.to_q.weight") == 1.2
    assert self_factor(step, f"{stem}.to_k.weight") == 0.9
    assert self_factor(step, f"{stem}.to_out.0.weight") == 1
    assert self_factor(step, stem.replace("5", "6", 1) + ".to_k.weight") == 1


def test_a_factor_of_zero_leaves_the_weights() -> None:
    """A quirk of SuperMerger's: zero switches a site off, it does not empty it."""
    recipe = Recipe(steps=(RISING, factors(OUT05__attn1=0.0)))
    assert plan_for(recipe, KEYS) == plan_for(Recipe(steps=(RISING,)), KEYS)


def test_adjust_touches_six_tensors() -> None:
    recipe = Recipe(steps=(RISING, AdjustStep(values=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25))))
    plain = plan_for(Recipe(steps=(RISING,)), KEYS).rows
    rows = plan_for(recipe, KEYS).rows
    assert {key: rows[key].scale for key in rows if rows[key].scale != plain[key].scale} == pytest.approx(
        {
            f"{UNET}input_blocks.0.0.weight": 0.99,
            f"{UNET}input_blocks.0.0.bias": 1.02,
            f"{UNET}out.0.weight": 1.02,
            f"{UNET}out.0.bias": 0.96,
            f"{UNET}out.2.weight": 0.985,
        }
    )
    assert [key for key in rows if rows[key].shift] == [f"{UNET}out.2.bias"]


@pytest.mark.parametrize(
    ("values", "shift"),
    [
        ((0, 0, 0, 5, 0, 0, 0, 0), (0.1, 0, 0, 0)),
        ((0, 0, 0, -1, 1, 1, 1, 0), (-0.02, 0, 0.02 / 3, -0.02 / 3)),
        ((0, 0, 0, -1, 7, 1, 1, 0), (-0.02, -0.12, 0.0466667, 0.0733333)),
    ],
)
def test_colours_shift_the_last_bias(values: tuple[float, ...], shift: tuple[float, ...]) -> None:
    recipe = Recipe(steps=(RISING, AdjustStep(values=values)))
    assert plan_for(recipe, KEYS).rows[f"{UNET}out.2.bias"].shift == pytest.approx(shift, abs=1e-7)


def test_self_and_adjust_multiply() -> None:
    recipe = Recipe(steps=(RISING, factors(IN00__=0.5), AdjustStep(values=(1, 0, 0, 0, 0, 0, 0, 0))))
    assert plan_for(recipe, KEYS).rows[f"{UNET}input_blocks.0.0.weight"].scale == pytest.approx(0.495)
