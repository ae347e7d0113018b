from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RecipeError
from engine.modes.registry import MERGE_MODES
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, UNET_BLOCKS, XL_BLOCKS, Site
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import AdjustStep, Filter, MergeStep, Recipe, SelfStep, Step

FLAT35 = MergeStep(alpha=(0.0, *(0.35 for _ in UNET_BLOCKS)))
numbers = st.floats(-3, 3, allow_nan=False)
sites = st.builds(
    Site,
    block=st.sampled_from(["IN01", "IN02", "IN04", "M00", "OUT05", "OUT08", "OUT11"]),
    element=st.sampled_from(["attn1", "attn1.to_q", "attn2", "ff.net", "proj", "in_layers", ""]),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def ratios(*counts: int) -> st.SearchStrategy[Any]:
    rows = [st.lists(numbers, min_size=count, max_size=count).map(tuple) for count in counts]
    return st.one_of(numbers, *rows)


@st.composite
def merges(draw: st.DrawFn, dialect: str, family: str) -> MergeStep:
    """Any run that the dialect knows, but for what has rules of its own (extract)."""
    known = DIALECTS[dialect]
    mode = draw(st.sampled_from([*MERGE_MODES]))
    calculation = draw(st.sampled_from([name for name in known.calculations if name != "extract"]))
    if calculation == "trainDifference":
        mode = "Add difference"
    counts = (len(BLOCKS), len(XL_BLOCKS)) if family == "sdxl" else (len(BLOCKS),)
    wide = (len(EXTENDED_BLOCKS),) if family == "sdxl" and known.extended else ()
    names = st.sampled_from([*BLOCKS, "Adjust", "VAE"])
    parts = st.sampled_from(["attn", "ff.net", "weight"])
    chosen = st.builds(
        Filter,
        kind=st.sampled_from(["include", "exclude"]),
        blocks=st.lists(names, max_size=3).map(tuple),
        elements=st.lists(parts, max_size=2).map(tuple),
    )
    return MergeStep(
        models=("A", "B", "C")[: MERGE_MODES[mode].models],
        alpha=draw(ratios(*counts, *wide)),
        beta=draw(ratios(*counts)),
        mode=mode,
        calculation=calculation,
        elemental=draw(st.sampled_from(["", "OUT05 OUT08:attn1:0.88", "NOT OUT01:NOT weight:0.6\n:bias:R", "x"])),
        adjust=draw(st.one_of(st.just(()), st.tuples(*[numbers] * len(known.adjust_fields)))),
        filter=draw(st.one_of(st.none(), chosen)) if known.filters else None,
        gamma=draw(st.floats(0, 2)),
        seed=draw(st.integers(0, 2**32 - 1)),
        extended=bool(wide) and draw(st.booleans()),
        old_arithmetic=draw(st.booleans()),
        name=draw(st.sampled_from(["", "Mind_alpha"])),
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    family: Any = draw(st.sampled_from(["sd1", "sd2", "sdxl"]))
    dialect = draw(st.sampled_from([name for name, known in DIALECTS.items() if family in known.families]))
    steps: list[Step] = [draw(merges(dialect, family))]
    if family == "sd1":
        factors = draw(st.dictionaries(sites, st.one_of(numbers, st.sampled_from([0.0, 1.0])), max_size=6))
        steps.append(SelfStep(factors=tuple(factors.items())))
    values = draw(st.tuples(*[numbers] * len(DIALECTS[dialect].adjust_fields)))
    steps.append(AdjustStep(values=values))
    save: Any = draw(st.sampled_from(["fp16", "computed"]))
    return Recipe(steps=tuple(steps), dialect=dialect, family=family, save=save)


def self_step(**factors: float) -> SelfStep:
    return SelfStep(factors=tuple((Site.parse(name.replace("__", ":")), value) for name, value in factors.items()))


@given(recipes())
def test_the_text_reads_back(recipe: Recipe) -> None:
    assert Recipe.parse(recipe.text) == recipe
    assert Recipe.parse(recipe.text).text == recipe.text


def test_the_text_is_short_and_canonical() -> None:
    adjust = AdjustStep(values=(0, 0, 0, -1, 7, 0, 0, 0))
    recipe = Recipe(steps=(FLAT35, self_step(OUT08__attn1=0.88, OUT05__attn1=0.9), adjust))
    assert recipe.text.splitlines() == [
        "format = 1",
        'dialect = "classic"',
        'family = "sd1"',
        "",
        "[[steps]]",
        'kind = "merge"',
        f"alpha = [0, {', '.join(['0.35'] * 25)}]",
        "",
        "[[steps]]",
        'kind = "self"',
        'factors = { "OUT05:attn1" = 0.9, "OUT08:attn1" = 0.88 }',
        "",
        "[[steps]]",
        'kind = "adjust"',
        "values = [0, 0, 0, -1, 7, 0, 0, 0]",
    ]
    assert len(recipe.key) == 64


def test_the_key_never_changes() -> None:
    """Recipes on record are found by it."""
    assert Recipe.flat(0.5).key == "1bd5606c3b7e4acd478742ef7b9190080d0b6b76d96f5a2495afe58e9ee7cf37"


def test_numbers_keep_every_digit() -> None:
    third = MergeStep(alpha=1 / 3)
    assert Recipe.parse(Recipe(steps=(third,)).text).steps == (third,)
    assert Recipe(steps=(MergeStep(alpha=-0.0),)) == Recipe(steps=(MergeStep(alpha=0.0),))


def test_steps_that_change_nothing_are_dropped() -> None:
    plain = Recipe(steps=(FLAT35,))
    neutral = Recipe(steps=(FLAT35, self_step(OUT05__attn1=1), AdjustStep(values=(0.0,) * 8)))
    assert neutral == plain
    assert neutral.key == plain.key


def test_steps_that_are_counted_on_are_not_dropped() -> None:
    neutral = AdjustStep(values=(0.0,) * 8)
    last = MergeStep(models=("step2", "C"), alpha=0.5)
    assert len(Recipe(steps=(FLAT35, neutral, last)).steps) == 3
    assert len(Recipe(steps=(neutral,)).steps) == 1


def test_a_neutral_factor_stays_where_it_may_undo_another() -> None:
    pair = ((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1.to_q"), 1.0))
    assert SelfStep(factors=pair).factors == pair
    apart = ((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT06:attn1"), 1.0))
    assert SelfStep(factors=apart).factors == apart[:1]


def test_flat_is_one_ratio_for_the_unet() -> None:
    assert Recipe.flat(0.25).steps == (MergeStep(alpha=(0.0, *(0.25 for _ in UNET_BLOCKS))),)
    assert Recipe.flat(1, base=1).steps == (MergeStep(alpha=(1.0,) * 26),)


def test_steps_take_results_by_name_by_number_or_as_previous() -> None:
    first = MergeStep(alpha=0.3, name="alpha")
    second = MergeStep(models=("C", "D"), alpha=0.2)
    last = MergeStep(models=("alpha", "step2", "previous"), mode="Triple sum", alpha=0.1, beta=0.1)
    recipe = Recipe(steps=(first, second, last))
    assert recipe.runs[2].models == ("step1", "step2", "step2")
    assert recipe.models == ("A", "B", "C", "D")


def test_the_first_step_may_work_on_a_alone() -> None:
    recipe = Recipe(steps=(self_step(OUT05__attn1=0.9),))
    assert recipe.runs[0].models == ("A", "A")
    assert recipe.models == ("A",)


def test_sites_of_sdxl_get_the_names_that_supermerger_has_for_them() -> None:
    recipe = Recipe(steps=(self_step(M00__attn1=0.9, OUT02__attn1=0.8),), family="sdxl", dialect="head")
    assert recipe.runs[0].elemental == "IN09:attn1:0.9,M00:attn1:0.8"


BODY = 'format = 1\n[[steps]]\nkind = "merge"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "format: is missing; this program reads recipes with format = 1"),
        ("recipe 1 classic", r"is not TOML: .*line 1, column \d+"),
        (BODY.replace("1", "2"), "format: is 2; this program reads recipes with format = 1"),
        (BODY + 'alpha = "FLAT_26"', "steps.1..alpha: there is no preset 'FLAT_26'; did you mean FLAT_25"),
        (BODY + "alpha = [0, 1]", "steps.1..alpha: has 2 numbers; write 26: BASE, IN00 .. OUT11"),
        (BODY + "alpha = [" + "0," * 25 + '"x"]', r"steps.1..alpha\[26\]: is 'x'; write a number"),
        (BODY + "alpha = nan", "steps.1..alpha: is nan; write one number, a row of numbers"),
        (BODY + "alpha = { flat = 0.3, OUT12 = 1 }", "steps.1..alpha.OUT12: is unknown here; did you mean OUT11"),
        (BODY + 'alpha = "0,x"', "steps.1..alpha: '0,x' has something that is no number"),
        (BODY + 'models = ["A"]', "takes 2 models, not 1"),
        (BODY + 'models = ["A", "my model"]', "'my model' is no name of a model"),
        (BODY + 'mode = "Sum"', "there is no merge mode 'Sum'"),
        (BODY + 'calculation = "median"', r"steps\[1\].calculation: there is no calculation mode 'median'"),
        (BODY + 'calculation = "plus random"', "plus random needs a seed"),
        (BODY + 'elemental = "OUT05:attn1:much"', "elemental segment 1, 'OUT05:attn1:much': 'much' is no ratio"),
        (BODY + 'elemental = "OUT05:x:1,IN05-OUT99:x:1"', "elemental segment 2, .*'IN05-OUT99' is no range of blocks"),
        (BODY + "adjust = [1, 2]", "steps.1..adjust: is 2 numbers; the dialect classic has IN, OUT, OUT2"),
        (BODY + "adjust = { HUE = 1 }", "steps.1..adjust.HUE: is unknown here"),
        (
            BODY + 'include = { blocks = ["OUT99"] }',
            r"steps\[1\].include.blocks: there is no block 'OUT99'; did you mean OUT09\?",
        ),
        (BODY + "exclude = {}\ninclude = {}", "has include and exclude"),
        (BODY + 'include = { elements = [""] }', "an empty element is part of every key"),
        (BODY + "seed = -1", "the seed is -1"),
        (BODY + "gamma = inf", "steps.1..gamma: is inf"),
        (BODY + "beta = 0.3", "steps.1..beta: means nothing in Weight sum, normal; leave it out"),
        (BODY + 'calculation = "cosineA"\nseed = 1', "steps.1..seed: means nothing in Weight sum, cosineA"),
        (BODY + "extended = true", "extended blocks are for SDXL in the dialect head"),
        (BODY + 'name = "previous"', "a result cannot be called 'previous'"),
        (BODY + 'name = "step4"', "a result cannot be called 'step4'"),
        (BODY + 'kind2 = "x"', "steps.1..kind2: is unknown here; did you mean kind"),
        (
            BODY.replace("merge", "mix"),
            "steps.1..kind: there is no kind of step 'mix'; known here: merge, self, adjust",
        ),
        (BODY.replace('"merge"', '"self"'), "steps.1..factors: is missing"),
        (
            'format = 1\ndialect = "head"\n[[steps]]',
            "SuperMerger stops with an error when it merges sd1 in",
        ),
        (
            'format = 1\ndialect = "new"\n[[steps]]',
            "dialect: there is no dialect 'new'; known here: 2023, classic, head",
        ),
        ('format = 1\nfamily = "flux"\n[[steps]]', "family: there is no family 'flux'; known here: sd1, sd2, sdxl"),
        ('format = 1\nsave = "fp8"\n[[steps]]', "save: is 'fp8'; known here: fp16, computed"),
        (BODY + '[[steps]]\nkind = "self"\nfactors = { "OUT5:x" = 1 }', "there is no block 'OUT5'"),
        (BODY + '[[steps]]\nkind = "self"\nfactors = { "IN00:attn1" = 1.1 }', "steps.2.: no tensor .* to IN00:attn1"),
        (BODY + '[[steps]]\nmodels = ["A", "B"]', "nothing takes the result of step 1"),
        (BODY + '[[steps]]\nmodels = ["previous", "step3"]', "step 2 takes step3, which is not made before it"),
    ],
)
def test_a_bad_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe.parse(text)


@given(st.one_of(texts, texts.map(lambda text: BODY + text), st.text()))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        recipe = Recipe.parse(text)
    except RecipeError:
        return
    assert Recipe.parse(recipe.text) == recipe


def test_wrong_values_are_refused() -> None:
    with pytest.raises(RecipeError, match="the dialect classic has 8: IN, OUT"):
        Recipe(steps=(FLAT35, AdjustStep(values=(1.0,) * 7)))
    with pytest.raises(RecipeError, match="Adjust has 6 values; it needs 8"):
        AdjustStep(values=(1.0,) * 6)
    with pytest.raises(RecipeError, match="alpha of OUT02 is inf"):
        MergeStep(alpha=tuple(float("inf") if block == "OUT02" else 0.0 for block in BLOCKS))
    with pytest.raises(RecipeError, match="two factors for OUT05:attn1"):
        SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1"), 0.8)))
    with pytest.raises(RecipeError, match="two steps are called x"):
        Recipe(steps=(MergeStep(name="x"), MergeStep(models=("x", "B"), name="x")))
    with pytest.raises(RecipeError, match="sd1 needs 26"):
        Recipe(steps=(MergeStep(alpha=(0.0,) * 20),))
    with pytest.raises(RecipeError, match="a recipe has no steps"):
        Recipe(steps=())
    with pytest.raises(RecipeError, match=r"extract: beta is 2\.0"):
        MergeStep(models=("A", "B", "C"), calculation="extract", beta=2)
    with pytest.raises(RecipeError, match="the dialect 2023 has no exclude"):
        Recipe(steps=(MergeStep(filter=Filter(kind="exclude")),), dialect="2023")
