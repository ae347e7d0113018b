from __future__ import annotations

import pytest

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, Shape
from engine.errors import RecipeError
from engine.merging.folded import MergePlan, plan_for
from engine.modes.rows import Calculated, TensorRow, combined, model, scaled
from engine.recipes.blocks import BLOCKS, Site
from engine.recipes.recipe import AdjustStep, Filter, MergeStep, Recipe, SelfStep

UNET = "model.diffusion_model."
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
SHAPES: dict[str, Shape] = {**shapes(REAL["sd1"]), POSITIONS: (1, 77)}
RISING = MergeStep(alpha=tuple(n / 100 for n in range(len(BLOCKS))))


def plan(*steps: MergeStep | SelfStep | AdjustStep, **more: str) -> MergePlan:
    recipe = Recipe(steps=steps, **more)  # pyright: ignore[reportArgumentType]
    return plan_for(recipe, dict.fromkeys("ABCD", SHAPES))


def mix(ratio: float) -> TensorRow:
    return combined(((model("A"), 1 - ratio), (model("B"), ratio)))


def factors(**values: float) -> SelfStep:
    return SelfStep(factors=tuple((Site.parse(name.replace("__", ":")), value) for name, value in values.items()))


def test_every_key_has_a_row_and_buffers_are_a() -> None:
    found = plan(RISING)
    assert [*found.rows] == [*SHAPES]
    assert found.rows[POSITIONS].source == "A"
    assert found.models == ("A", "B")


def test_ratios_go_by_block_text_and_vae_with_base() -> None:
    rows = plan(RISING).rows
    assert rows[f"{UNET}input_blocks.3.0.op.weight"] == mix(0.04)
    assert rows[f"{UNET}time_embed.0.weight"] == mix(0.25)
    assert rows["first_stage_model.decoder.conv_in.weight"].source == "A"
    whole = plan(MergeStep(alpha=(0.3, *(0.0,) * 25))).rows
    assert whole["first_stage_model.decoder.conv_in.weight"] == mix(0.3)
    assert whole["cond_stage_model.transformer.text_model.final_layer_norm.bias"] == mix(0.3)


def test_keys_of_a_block_share_their_row() -> None:
    rows = plan(RISING).rows
    names = [key for key in SHAPES if key.startswith(f"{UNET}output_blocks.5.")]
    assert len({id(rows[key]) for key in names}) == 1


def test_the_last_site_wins() -> None:
    step = SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1.to_q"), 1.2)))
    rows, plain = plan(RISING, step).rows, plan(RISING).rows
    stem = f"{UNET}output_blocks.5.1.transformer_blocks.0.attn1"
    assert rows[f"{stem}.to_q.weight"] == scaled(plain[f"{stem}.to_q.weight"], 1.2)
    assert rows[f"{stem}.to_k.weight"] == scaled(plain[f"{stem}.to_k.weight"], 0.9)
    changed = [key for key in rows if rows[key] != plain[key]]
    assert sorted(changed) == [f"{stem}.to_{part}.weight" for part in "kqv"]


def test_a_factor_of_zero_leaves_the_weights_but_in_2023() -> None:
    key = f"{UNET}output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
    assert plan(RISING, factors(OUT05__attn1=0.0)).rows == plan(RISING).rows
    assert plan(RISING, factors(OUT05__attn1=0.0), dialect="2023").rows[key] == TensorRow(())


def test_adjust_touches_six_tensors() -> None:
    rows = plan(RISING, AdjustStep(values=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25))).rows
    plain = plan(RISING).rows
    wanted = {
        "input_blocks.0.0.weight": 0.99,
        "input_blocks.0.0.bias": 1.02,
        "out.0.weight": 1.02,
        "out.0.bias": 0.96,
        "out.2.weight": 0.985,
    }
    changed = {key.removeprefix(UNET) for key in rows if rows[key] != plain[key]}
    assert changed == {*wanted, "out.2.bias"}
    for name, factor in wanted.items():
        assert sum(weight for _, weight in rows[UNET + name].terms) == pytest.approx(factor)
    assert rows[f"{UNET}out.2.bias"].shift


@pytest.mark.parametrize(
    ("values", "shift"),
    [
        ((0, 0, 0, 5, 0, 0, 0, 0), (0.1, 0, 0, 0)),
        ((0, 0, 0, -1, 1, 1, 1, 0), (-0.02, 0, 0.02 / 3, -0.02 / 3)),
        ((0, 0, 0, -1, 7, 1, 1, 0), (-0.02, -0.12, 0.0466667, 0.0733333)),
    ],
)
def test_colours_shift_the_last_bias(values: tuple[float, ...], shift: tuple[float, ...]) -> None:
    rows = plan(RISING, AdjustStep(values=values)).rows
    assert rows[f"{UNET}out.2.bias"].shift == pytest.approx(shift, abs=1e-7)


def test_a_chain_folds_into_one_sum() -> None:
    first = MergeStep(alpha=0.5, name="half")
    second = MergeStep(models=("half", "C"), alpha=0.2)
    third = MergeStep(models=("previous", "B", "D"), mode="Add difference", alpha=0.5)
    found = plan(first, second, third, factors(OUT05__attn1=0.5))
    row = found.rows[f"{UNET}output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"]
    assert dict(row.terms) == pytest.approx({"A": 0.2, "B": 0.2 + 0.25, "C": 0.1, "D": -0.25})
    assert found.models == ("A", "B", "C", "D")


def test_triple_and_twice() -> None:
    key = f"{UNET}out.0.weight"
    triple = plan(MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=0.3, beta=0.2)).rows[key]
    twice = plan(MergeStep(models=("A", "B", "C"), mode="sum Twice", alpha=0.3, beta=0.2)).rows[key]
    assert dict(triple.terms) == pytest.approx({"A": 0.5, "B": 0.3, "C": 0.2})
    assert dict(twice.terms) == pytest.approx({"A": 0.56, "B": 0.24, "C": 0.2})


def test_what_cancels_is_gone() -> None:
    assert plan(MergeStep(models=("A", "A"), alpha=0.3)).rows[f"{UNET}out.0.weight"].source == "A"


def test_a_filter_keeps_the_run_from_keys() -> None:
    chosen = Filter(kind="exclude", blocks=("OUT05",), elements=("attn2",))
    rows = plan(MergeStep(alpha=0.3, filter=chosen)).rows
    stem = f"{UNET}output_blocks."
    assert rows[f"{stem}5.0.in_layers.0.weight"].source == "A"
    assert rows[f"{stem}6.0.in_layers.0.weight"] == mix(0.3)
    assert rows[f"{stem}6.1.transformer_blocks.0.attn2.to_q.weight"].source == "A"
    assert rows[f"{stem}5.1.transformer_blocks.0.attn2.to_q.weight"] == mix(0.3), "two hits cancel in classic"


def test_other_calculations_stay_functions() -> None:
    found = plan(MergeStep(alpha=0.3, calculation="cosineA"))
    ((term, weight),) = found.rows[f"{UNET}out.0.weight"].terms
    assert isinstance(term, Calculated)
    assert (term.alpha, term.run, weight) == (0.3, 1, 1.0)
    assert found.rows["first_stage_model.decoder.conv_in.weight"].source == "A"
    assert {key for key, _ in found.prepasses[1].rows} == {key for key in SHAPES if "first_stage" not in key}


def test_a_missing_model_is_named() -> None:
    with pytest.raises(RecipeError, match="the recipe takes C; the models at hand are A, B"):
        plan_for(
            Recipe(steps=(MergeStep(models=("A", "C")),)),
            {"A": SHAPES, "B": SHAPES},
        )
