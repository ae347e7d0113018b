"""SuperMerger's weights box: numbers, preset names and random letters, in and out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, XL_BLOCKS
from engine.recipes.dialects import DIALECTS
from engine.recipes.presets import PRESETS, OwnPresets, parse_presets
from engine.recipes.recipe import Recipe
from engine.supermerger.fields import RunFields, fields_of, step_of
from engine.supermerger.weights import RandomSettings, Side, parse_weights, weights_line
from tests.engine.merging.supermerger_steps import numbers, recipes

CLASSIC, HEAD = DIALECTS["classic"], DIALECTS["head"]
ZEROS = ["0"] * 26
DRAWN = [float(x) for x in np.random.RandomState(1234).rand(3000)]


def with_word(word: str, place: int = 3) -> str:
    return ",".join([*ZEROS[:place], word, *ZEROS[place + 1 :]])


@given(st.lists(numbers, min_size=26, max_size=26))
def test_a_line_reads_back_as_its_weights(weights: list[float]) -> None:
    assert parse_weights(weights_line(weights), "sd1", CLASSIC).numbers == tuple(weights)


@pytest.mark.parametrize("name", ["FLAT_25", " GRAD_V ", "ALL_B", "SMOOTHSTEP*2"])
def test_without_a_comma_it_is_a_preset(name: str) -> None:
    assert parse_weights(name, "sd1", CLASSIC).numbers == PRESETS[name.strip()]


def test_own_presets_come_first() -> None:
    assert (
        parse_weights("FLAT_25", "sd1", CLASSIC, own=OwnPresets(rows={"FLAT_25": ((0.5,) * 26,)})).numbers
        == (0.5,) * 26
    )


@pytest.mark.parametrize(("family", "count"), [("sd1", 26), ("sdxl", 20)])
def test_of_equal_names_the_row_for_the_family_is_taken(family: FamilyName, count: int) -> None:
    own = parse_presets("\n".join([f"MINE\t{','.join(['0.25'] * n)}" for n in (26, 20)] + ["MINE:0.1,0.2"]))
    assert parse_weights("MINE", family, CLASSIC, own=own).numbers == (0.25,) * count


def test_letters_in_presets_are_drawn() -> None:
    own = parse_presets(f"MINE\t{with_word('R')}\nALL_R\t{with_word('0.5')}")
    assert parse_weights("MINE", "sd1", CLASSIC, own=own, seed=1234).numbers[3] == round(DRAWN[3], 3)
    assert parse_weights("ALL_R", "sd1", CLASSIC, own=own).numbers[3] == 0.5
    with pytest.raises(RecipeError, match="R is random and needs a seed"):
        parse_weights("MINE", "sd1", CLASSIC, own=own)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("R", round(DRAWN[3], 3)),
        ("U", round(1.5 - 2 * DRAWN[3], 3)),
        ("X", round(1 - DRAWN[3], 3)),
        (" R ", round(DRAWN[3], 3)),
    ],
)
def test_letters_are_drawn_with_the_seed(word: str, expected: float) -> None:
    assert parse_weights(with_word(word), "sd1", CLASSIC, seed=1234).numbers[3] == expected


def test_beta_has_dice_of_its_own() -> None:
    found = parse_weights(with_word("R"), "sd1", CLASSIC, seed=1234, side="beta").numbers[3]
    assert found == round(DRAWN[53], 3)


def test_head_holds_dice_within_the_limits() -> None:
    seed = next(n for n in range(99) if np.random.RandomState(n).rand() < 0.25)
    text = with_word("U", 0)
    (free, *_) = parse_weights(text, "sd1", CLASSIC, seed=seed).numbers
    (held, *_) = parse_weights(text, "sdxl", HEAD, seed=seed).numbers
    assert free > 1
    assert held == 1


def test_only_head_knows_d() -> None:
    assert parse_weights(with_word("D"), "sdxl", HEAD, seed=1).numbers[3] == 1.0
    with pytest.raises(RecipeError, match="'D' is no weight"):
        parse_weights(with_word("D"), "sd1", CLASSIC, seed=1)


LOW, UP = tuple(n / 100 for n in range(26)), tuple(1 + n / 10 for n in range(26))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("R", DRAWN[3]),
        ("U", 1.5 - 2 * DRAWN[3]),
        ("X", (LOW[3] - UP[3]) * DRAWN[3] + UP[3]),
        ("D", UP[3] + LOW[3] * (DRAWN[3] - 0.5)),
    ],
)
def test_limits_are_of_the_place_in_the_row(word: str, expected: float) -> None:
    random = RandomSettings(lower=LOW, upper=UP, alpha_limits=((-9.0,), (9.0,)), decimals=5)
    found = parse_weights(with_word(word), "sdxl", HEAD, seed=1234, random=random).numbers[3]
    assert found == round(expected, 5)


def test_limits_of_beta_are_its_own() -> None:
    random = RandomSettings(lower=(-2.0,), upper=(3.0,), alpha_limits=((0.1,), (0.2,)), beta_limits=((-0.6,), (2.5,)))
    sides: tuple[Side, Side] = ("alpha", "beta")
    text = ",".join(["X"] * 26)
    alpha, beta = (parse_weights(text, "sdxl", HEAD, seed=1234, side=side, random=random).numbers for side in sides)
    assert {*alpha} <= {0.1, 0.2} | {round(3 - 5 * x, 3) for x in DRAWN[:26]}
    assert alpha == tuple(min(max(round(-5 * x + 3, 3), 0.1), 0.2) for x in DRAWN[:26])
    assert beta == tuple(min(max(round(-5 * x + 3, 3), -0.6), 2.5) for x in DRAWN[50:76])
    free = parse_weights(text, "sd1", CLASSIC, seed=1234, random=random).numbers
    assert free == tuple(round(-5 * x + 3, 3) for x in DRAWN[:26])  # only head holds them


def test_head_holds_a_row_within_lists_of_limits() -> None:
    random = RandomSettings(alpha_limits=((0.0,), tuple(n / 100 for n in range(26))))
    found = parse_weights(",".join(["R"] * 26), "sdxl", HEAD, seed=1234, random=random).numbers
    assert found == tuple(min(round(x, 3), n / 100) for n, x in enumerate(DRAWN[:26]))


def test_too_short_limits_are_refused() -> None:
    with pytest.raises(RecipeError, match="the upper limits are 2 numbers, and weight 4 is random; write one number"):
        parse_weights(with_word("X"), "sd1", CLASSIC, seed=1, random=RandomSettings(upper=(1.0, 2.0)))


@pytest.mark.parametrize(
    ("word", "random", "letters"),
    [
        ("EX", RandomSettings(upper=(0.5,)), "X"),
        ("ER", RandomSettings(decimals=2), "R"),
        ("ER", RandomSettings(upper=(0.5,)), ""),  # of which R takes no notice
        ("EX", RandomSettings(alpha_limits=((0.0,), (0.5,))), ""),
        ("X", RandomSettings(upper=(0.5,)), ""),
    ],
)
def test_limits_that_a_recipe_cannot_hold_are_refused(word: str, random: RandomSettings, letters: str) -> None:
    fields = RunFields(mbw=True, weights_alpha=with_word(word), seed=1, random=random)
    if not letters:
        assert step_of(fields, CLASSIC, "sd1").seed == (1 if word.startswith("E") else None)
        return
    with pytest.raises(RecipeError, match=rf"random ratios of rules \({letters}\) between 0 and 1, with 3 decimals"):
        step_of(fields, CLASSIC, "sd1")


def test_elemental_dice_become_rules() -> None:
    text = ",".join(["0.5", "ER", "EX", "ER", *ZEROS[4:]])
    found = parse_weights(text, "sd1", CLASSIC, seed=1)
    assert found.numbers[:4] == (0.5, 0.0, 0.0, 0.0)
    assert found.elemental == "IN00 IN02::R,IN01::X"


def test_elemental_dice_of_sdxl_have_the_names_of_rules() -> None:
    text = ",".join([*ZEROS[:10], "ER", *ZEROS[:9]])  # the eleventh of 20 is M00
    assert parse_weights(text, "sdxl", HEAD, seed=1).elemental == "IN09::R"


def test_the_dice_presets() -> None:
    assert parse_weights("ALL_R", "sd1", CLASSIC, seed=1234).numbers == tuple(round(x, 3) for x in DRAWN[:26])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_word("half"), r"number 4 \(IN02\), column 7: 'half' is no weight"),
        (with_word(""), r"number 4 \(IN02\), column 7: '' is no weight"),
        (with_word("inf"), "'inf' is no weight"),
        (with_word("R"), r"number 4 \(IN02\): R is random and needs a seed"),
        (",".join(ZEROS[1:]), r"are 25 numbers; sd1 in the dialect classic needs 26.*put a 0 for BASE in front"),
        (",".join(["0"] * 20), "are 20 numbers; sd1"),
        ("FLAT_26", "there is no preset 'FLAT_26'; did you mean"),
        ("", "there is no preset ''"),
    ],
)
def test_what_is_no_weights_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_weights(text, "sd1", CLASSIC)


@pytest.mark.parametrize("count", [len(BLOCKS), len(XL_BLOCKS), len(EXTENDED_BLOCKS)])
def test_sdxl_takes_three_lengths_in_head(count: int) -> None:
    text = ",".join(["0.5"] * count)
    assert len(parse_weights(text, "sdxl", HEAD).numbers) == count
    if count == len(EXTENDED_BLOCKS):
        with pytest.raises(RecipeError, match="110 numbers"):
            parse_weights(text, "sdxl", CLASSIC)


@given(st.one_of(st.text(), st.text(alphabet="0123456789.,-RUXDE \n", max_size=120)))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RecipeError):
        assert len(parse_weights(text, "sd1", CLASSIC, seed=1).numbers) == 26


@given(recipes())
def test_the_settings_of_a_run_make_the_run(recipe: Recipe) -> None:
    (step,) = recipe.steps
    fields = fields_of(recipe.runs[0], recipe.rules, recipe.family)
    assert step_of(fields, recipe.rules, recipe.family) == step


def test_a_seed_that_throws_nothing_is_left_out() -> None:
    fields = RunFields(mbw=True, weights_alpha=with_word("R"), seed=1234)
    assert step_of(fields, CLASSIC, "sd1").seed is None
    assert step_of(replace(fields, elemental="M00::R"), CLASSIC, "sd1").seed == 1234


@pytest.mark.parametrize("seed", [-1, 1 << 32])
def test_a_seed_that_numpy_does_not_take_is_refused(seed: int) -> None:
    with pytest.raises(RecipeError, match=f"the seed of random weights is {seed}; give one from 0 to 4294967295"):
        parse_weights(",".join("R" * 26), "sd1", DIALECTS["classic"], seed=seed)
