from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from engine.errors import RecipeError
from engine.recipes.blocks import BLOCKS, UNET_BLOCKS, Site
from engine.recipes.file import RecipeFile, read_recipe_file
from engine.recipes.recipe import AdjustStep, Filter, MergeStep, Recipe, SelfStep
from tests.engine.recipes.recipe_files import write_recipe_file
from tests.engine.recipes.test_recipe import recipes

GOOD = """
format = 1
dialect = "classic"

[models]
A = "a.safetensors"
B = "sub/b.safetensors"

[[steps]]
kind = "merge"
alpha = { flat = 0.35, OUT05 = 0.15, BASE = 0.2 }

[[steps]]
kind = "self"
factors = { "OUT05:attn1" = 0.88 }

[[steps]]
kind = "adjust"
values = [0, 0, 0, -1, 7, 1, 1, 0]
"""

ONLY_X = 'format = 1\n[models]\nX = "x.safetensors"\n[[steps]]\n'

WHOLE = """
format = 1
dialect = "classic"
family = "sd1"
save = "computed"
presets = "mine.txt"

[models]
A = "a.safetensors"
B = "b.safetensors"
"my C" = "unused.safetensors"
C = "c.safetensors"

[[steps]]                       # everything that can be said of a run
name = "one"
models = ["A", "B", "C"]
mode = "Triple sum"
calculation = "normal"
alpha = "MINE"
beta = "0,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"
elemental = '''
OUT03-OUT05:attn2 attn1.to_out:0.5
NOT BASE:bias:R'''
adjust = "1,2"
exclude = { blocks = ["BASE", "Adjust"], elements = ["attn"] }
seed = 7
old_arithmetic = true

[[steps]]
models = ["one", "B"]
alpha = { preset = "GRAD_V", OUT11 = 0.5 }
"""

BAD = """
format = 2
dialct = "classic"

[models]
A = 5
B = "b.safetensors"

[[steps]]
kind = "merge"
models = ["B", "D"]
alpha = [0, 1]
beta = { OUT55 = 0.15, OUT05 = "much" }

[[steps]]
kind = "self"
factors = { "OUT05:attn1" = nan, "OUT05" = 0.9 }

[[steps]]
kind = "adjust"
values = { CONT = 1, HUE = 2 }

[[steps]]
kind = "blend"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_becomes_a_recipe_and_paths(tmp_path: Path) -> None:
    content = read_recipe_file(written(tmp_path, GOOD))
    ratios = dict.fromkeys(BLOCKS, 0.35) | {"BASE": 0.2, "OUT05": 0.15}
    assert content.models == {"A": tmp_path / "a.safetensors", "B": tmp_path / "sub" / "b.safetensors"}
    assert content.recipe == Recipe(
        steps=(
            MergeStep(alpha=tuple(ratios.values())),
            SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88),)),
            AdjustStep(values=(0, 0, 0, -1, 7, 1, 1, 0)),
        )
    )


def test_everything_that_can_be_said_of_a_run(tmp_path: Path) -> None:
    mine = tuple(n / 100 for n in range(26))
    (tmp_path / "mine.txt").write_text("MINE\t" + ",".join(map(str, mine)))
    recipe = read_recipe_file(written(tmp_path, WHOLE)).recipe
    assert recipe.save == "computed"
    assert recipe.steps[0] == MergeStep(
        models=("A", "B", "C"),
        mode="Triple sum",
        alpha=mine,
        beta=(0.0, 0.1, *(0.0,) * 24),
        elemental="OUT03-OUT05:attn2 attn1.to_out:0.5\nNOT BASE:bias:R",
        adjust=(1, 2, 0, 0, 0, 0, 0, 0),
        filter=Filter(kind="exclude", blocks=("BASE", "Adjust"), elements=("attn",)),
        seed=7,
        old_arithmetic=True,
        name="one",
    )
    second = recipe.steps[1]
    assert isinstance(second, MergeStep)
    assert isinstance(second.alpha, tuple)
    assert second.alpha[:3] == (0.0, 1.0, 11 / 12)
    assert second.alpha[-1] == 0.5


def test_weights_and_named_adjust_fields(tmp_path: Path) -> None:
    text = 'format = 1\n[models]\nA = "/a"\nB = "/b"\n[[steps]]\nkind = "merge"\nalpha = [0, {}]\n'.format(
        ", ".join(str(n / 100) for n in range(25))
    )
    content = read_recipe_file(written(tmp_path, text + '[[steps]]\nkind = "adjust"\nvalues = { CONT = 5 }\n'))
    assert content.recipe.steps == (
        MergeStep(alpha=(0.0, *(n / 100 for n in range(len(UNET_BLOCKS))))),
        AdjustStep(values=(0, 0, 0, 5, 0, 0, 0, 0)),
    )
    assert content.models["A"] == Path("/a")


def test_seven_fields_in_the_dialect_of_their_time(tmp_path: Path) -> None:
    text = GOOD.replace("classic", "2023").replace("[0, 0, 0, -1, 7, 1, 1, 0]", "{ COL1 = 1, CONT = 7 }")
    recipe = read_recipe_file(written(tmp_path, text)).recipe
    assert recipe.steps[-1] == AdjustStep(values=(0, 0, 0, 7, 1, 0, 0))
    assert recipe.dialect == "2023"


def test_sdxl_is_head_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = 'format = 1\nfamily = "sdxl"\n[models]\nA = "a"\nB = "b"\n[[steps]]\nalpha = { flat = 0.5 }\n'
    recipe = read_recipe_file(written(tmp_path, text)).recipe
    assert (recipe.dialect, recipe.steps) == ("head", (MergeStep(alpha=(0.0, *(0.5,) * 19)),))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe_file(written(tmp_path, BAD))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'recipe.toml'}: 12 problems:")
    for part in (
        "format: is 2; this program reads recipes with format = 1",
        "dialct: is unknown here; did you mean dialect?",
        "models.A: is 5; write the path",
        "steps[1].models: there is no model 'D'; known here: A, B, previous",
        "steps[1].alpha: has 2 numbers; write 26: BASE, IN00 .. OUT11",
        "steps[1].beta.OUT55: is unknown here; did you mean OUT05?",
        "steps[1].beta.OUT05: is 'much'; write a number",
        "steps[1].beta: means nothing in Weight sum, normal; leave it out",
        'steps[2].factors."OUT05:attn1": is nan; write a number',
        "steps[2].factors.OUT05: 'OUT05' is no site; write block:element",
        "steps[3].values.HUE: is unknown here",
        "steps[4].kind: there is no kind of step 'blend'; known here: merge, self, adjust",
    ):
        assert f"  {part}" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha = nan\n", "steps[1].alpha: is nan"),
        ('alpha = "0.5"\n', "steps[1].alpha: is the text '0.5'; write the number without quotes: 0.5"),
        ('[[steps]]\nkind = "sum"\n', "steps[2].kind: there is no kind of step 'sum'"),
    ],
)
def test_a_problem_is_told_once(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(RecipeError) as told:
        read_recipe_file(written(tmp_path, ONLY_X.replace("X =", 'A = "a.safetensors"\nB =') + text))
    (problem,) = told.value.problems
    assert expected in str(problem)


def test_no_steps_and_lost_paths_are_one_problem_each(tmp_path: Path) -> None:
    for text in ('steps = []\n[models]\nA = "a"', '[models]\nA = 3\nB = "b"\n[[steps]]\nalpha = 0.5'):
        with pytest.raises(RecipeError) as told:
            read_recipe_file(written(tmp_path, f"format = 1\n{text}"))
        assert len(told.value.problems) == 1


def test_a_dialect_without_quotes_gets_them(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='there is no dialect 2023; write "2023", in quotes'):
        read_recipe_file(written(tmp_path, GOOD.replace('"classic"', "2023")))


def test_modes_beside_other_mistakes_are_told_with_them(tmp_path: Path) -> None:
    more = """[[steps]]
models = ["alpha", "B"]
mode = "Weigth sum"
calculation = "cosinA"
elemental = "OUT05:attn1:half"
include = { blocks = ["MID"] }
gamma = "much"
name = "previous"
[[steps]]
models = ["C", "B"]
"""
    head = 'format = 1\n[models]\nA = "a"\nB = "b"\n[[steps]]\nname = "alpha"\nmodes = "x"\n'
    with pytest.raises(RecipeError) as caught:
        read_recipe_file(written(tmp_path, head + more))
    for part in (
        "steps[1].modes: is unknown here; did you mean",
        "steps[2].mode: there is no merge mode 'Weigth sum'; did you mean Weight sum?",
        "steps[2].calculation: there is no calculation mode 'cosinA'; did you mean cosineA?",
        "steps[2].elemental: elemental segment 1, 'OUT05:attn1:half': 'half' is no ratio",
        "steps[2].include.blocks: there is no block 'MID'; did you mean M00?",
        "steps[2].gamma: is 'much'; write a number",
        "steps[2].name: a result cannot be called 'previous'",
        "steps[3].models: there is no model 'C'; known here: A, B, step1, alpha, step2",
    ):
        assert f"  {part}" in str(caught.value)


def test_problems_of_the_whole_are_told_beside_others(tmp_path: Path) -> None:
    text = 'format = 1\nx = 1\n[models]\nA = "a"\nB = "b"\n' + '[[steps]]\nname = "one"\n' * 2
    with pytest.raises(RecipeError) as caught:
        read_recipe_file(written(tmp_path, text + '[[steps]]\ncalculation = "extract"\nmodels = ["A", "B", "A"]\n'))
    for part in (
        "x: is unknown here",
        "steps[2].name: two steps are called one; give each a name of its own",
        "steps[1]: nothing takes the result of one; name it in models",
        "steps[2]: nothing takes the result of one; name it in models",
    ):
        assert f"  {part}" in str(caught.value)


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ('kind = "self"\nfactors = {}\n', "steps[4]: this step changes nothing: its factors are empty"),
        ('kind = "adjust"\nvalues = "0,0"\n', "steps[4]: this step changes nothing: its values are all 0"),
    ],
)
def test_steps_that_change_nothing_are_noted(tmp_path: Path, more: str, note: str) -> None:
    assert read_recipe_file(written(tmp_path, f"{GOOD}[[steps]]\n{more}")).notes == (note,)
    assert read_recipe_file(written(tmp_path, GOOD)).notes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "format: is missing"),
        ("format = ", "is not TOML: Invalid value"),
        (GOOD.replace('"classic"', '"webui"'), r"steps\[3\].values: the dialect webui has no Adjust; leave it out"),
        ('format = 1\n[models]\nA = "a"\nB = "b"\n[[steps]]\nkind = "adjust"\nvalues = [1]\n', "has IN, OUT, OUT2"),
        (
            'format = 1\n[models]\nA = "a"\n[[steps]]\n',
            r"steps\[1\].models: there is no model 'B'; known here: A, previous",
        ),
        ('format = 1\nsteps = 5\n[models]\nA = "a"\n', r"steps: is no list of tables; write \[\[steps\]\], with two"),
        ('format = 1\n[steps]\nkind = "merge"\n[models]\nA = "a"\n', "steps: is no list of tables; write "),
        ('format = 1\n[models]\nA = "a"\n', "steps: is missing; write "),
        ('format = 1\nsteps = []\n[models]\nA = "a"\n', "steps: is empty; write "),
        (GOOD.replace("format = 1", 'format = "1"'), 'format: is "1"; this program reads recipes with format = 1'),
        (
            GOOD + '[[steps]]\nmodels = ["step9", "B"]\n',
            r"steps\[4\].models: there is no model 'step9'; did you mean step",
        ),
        (
            GOOD + '[[steps]]\nkind = "adjust"\nvalues = "foo"\n',
            r"steps\[4\].values: has something that is no number .foo",
        ),
        (
            GOOD + '[[steps]]\nadjust = "0,1,x"\n',
            r'steps\[4\].adjust: .* is no number \(x\) \("0,1,x"\); write numbers',
        ),
        (
            GOOD + '[[steps]]\nkind = "self"\nfactors = { "OUT05:attn1" = 0.9, " OUT05:attn1" = 0.8 }\n',
            r'steps\[4\].factors." OUT05:attn1": gives OUT05:attn1 a second factor; leave one of them',
        ),
        (
            GOOD + '[[steps]]\nkind = "self"\nfactors = { "OUT05:atn1" = 0.9 }\n',
            "multiply belongs to OUT05:atn1; did you mean attn1",
        ),
        ("format = 1\nmodels = 5\n[[steps]]\n", "models: is 5; a table is needed"),
        (GOOD + '[[steps]]\nmodels = ["A", "B"]\n', "nothing takes the result of step 3"),
        (GOOD.replace("format = 1", 'format = 1\npresets = "none.txt"'), r"presets: .*none.txt: cannot be read"),
        (GOOD.replace("format = 1", "format = 1\npresets = 5"), "presets: is 5; write the path of a preset file"),
        (
            GOOD.replace("format = 1", 'format = 1\npresets = "~no-such-user/p"'),
            "presets: ~no-such-user/p: there is no such home",
        ),
        (
            GOOD.replace('"a.safe', '"~no-such-user/a.safe'),
            "models.A: ~no-such-user/a.safetensors: there is no such home folder",
        ),
        (GOOD.replace('"a.safe', '"a\\u0000.safe'), "models.A: .*: no file can have this name"),
        (GOOD.replace("0.35", "1" + "0" * 400), r"steps\[1\].alpha.flat: is 10+; write a number"),
        (GOOD.replace("0.35", "1" + "0" * 5000), r"has a number of 5,00[13] digits"),
        (GOOD.replace("0.35", "1e31"), r"steps\[1\].alpha.flat: is 1e\+31; write a number"),
        (GOOD + "x = " + "[" * 3000 + "]" * 3000, "its brackets stand too deep in one another"),
        (f'{ONLY_X}kind = "self"\nfactors = {{ "OUT05:attn1" = 0.9 }}\n', r"takes A; \[models\] has X"),
        (f'{ONLY_X}models = ["previous", "X"]\n', r"takes A; \[models\] has X"),
        (
            GOOD.replace("[[steps]]", 'previous = "c"\n[[steps]]', 1),
            r"'previous' under \[models\] is the name of a result",
        ),
        (GOOD.replace("[[steps]]", 'step2 = "c"\n[[steps]]', 1), r"'step2' under \[models\] is the name of a result"),
        (
            GOOD.replace("[[steps]]", 'mine = "c"\n[[steps]]\nname = "mine"', 1),
            r"'mine' under \[models\] is the name of a result too; call the model another name",
        ),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe_file(written(tmp_path, text))


@pytest.mark.parametrize("alpha", ['"MINE"', '{ preset = "MINE" }'])
def test_a_preset_of_another_length_is_said_at_its_place(tmp_path: Path, alpha: str) -> None:
    (tmp_path / "mine.txt").write_text("MINE\t0,1,2")
    text = f'format = 1\npresets = "mine.txt"\n[models]\nA = "a"\nB = "b"\n[[steps]]\nalpha = {alpha}\n'
    with pytest.raises(RecipeError, match=r"steps\[1\]\.alpha(\.preset)?: has 3 numbers; write 26"):
        read_recipe_file(written(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read \(No such file"):
        read_recipe_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"format = 1 # caf\xe9\n")
    with pytest.raises(RecipeError, match="is not UTF-8"):
        read_recipe_file(tmp_path / "latin.toml")


@given(recipe=recipes())
def test_a_written_file_reads_back(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    folder = tmp_path_factory.mktemp("written")
    odd = {"A": folder / 'odd "name" ü.safetensors', "B": Path("/elsewhere/b.safetensors"), "C": folder / "c"}
    content = RecipeFile(recipe=recipe, models=odd)
    write_recipe_file(folder / "recipe.toml", content)
    assert read_recipe_file(folder / "recipe.toml") == content


def test_a_written_file_says_what_its_numbers_are(tmp_path: Path) -> None:
    content = RecipeFile(
        recipe=Recipe(steps=(*Recipe.flat(0.5).steps, AdjustStep(values=(0, 0, 0, 5, 0, 0, 0, 0)))),
        models={"A": tmp_path / "x" / "a.safetensors", "B": Path("/b.safetensors")},
    )
    write_recipe_file(tmp_path / "recipe.toml", content)
    text = (tmp_path / "recipe.toml").read_text()
    assert 'A = "x/a.safetensors"' in text
    assert 'B = "/b.safetensors"' in text
    assert f"    {', '.join(['0.5'] * 12)},  # OUT00..OUT11\n" in text
    assert "values = [0, 0, 0, 5, 0, 0, 0, 0]  # IN, OUT, OUT2, CONT" in text
