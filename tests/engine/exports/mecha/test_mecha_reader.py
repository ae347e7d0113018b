"""Reading .mecha files: our own give back their recipe, changes in them count, simple ones of others are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.exports.mecha.reader import recipe_of_mecha
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.exports.executed import FOLDED, write_parents, written_case
from tests.engine.exports.recipes import RISING, SD1, SDXL, drawn

RECIPES = {**SD1, **{f"XL {name}": recipe for name, recipe in SDXL.items()}}


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    return write_parents(tmp_path_factory.mktemp("parents"), whole=True)


def _text(recipe: Recipe, parents: dict[str, dict[str, Path]], folder: Path) -> str:
    case = written_case("mecha", recipe, parents[recipe.family], folder, FOLDED)
    return case.done.files[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RECIPES)
def test_our_own_files_give_back_their_recipe(name: str, parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    recipe = RECIPES[name]
    found, files = recipe_of_mecha(_text(recipe, parents, tmp_path))
    assert (found, files) == (recipe, {letter: parents[recipe.family][letter].name for letter in recipe.models})


def test_drawn_recipes_come_back(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    for number, recipe in enumerate(drawn(6)):
        assert recipe_of_mecha(_text(recipe, parents, tmp_path / str(number)))[0] == recipe


def test_what_the_instructions_do_counts_where_it_was_changed(
    parents: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    text = _text(SD1["blocks"], parents, tmp_path)
    changed = text.replace(" OUT05=0.686 ", " OUT05=0.5 ")
    assert changed != text
    alpha = tuple(0.5 if value == 0.686 else value for value in RISING)
    assert recipe_of_mecha(changed)[0] == Recipe(steps=(MergeStep(alpha=alpha),))


def test_a_file_without_comments_is_read_where_one_step_holds_it(
    parents: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    for name in ("blocks", "one ratio", "add difference", "XL twenty", "beyond 0 and 1"):
        text = _text(RECIPES[name], parents, tmp_path / name)
        plain = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
        assert recipe_of_mecha(plain)[0] == RECIPES[name]


OTHERS = """version 0.1.0
dict {blocks}
literal &0 model_config="sd1-supermerger_blocks" merge_space=null
merge "convert_sd1_blocks_to_ldm" &1
model "C:\\\\m\\\\a b=c \\"x\\".safetensors" model_config="sd1-ldm" merge_space="weight"
model "混合.safetensors" model_config="sd1-ldm" merge_space="weight"
merge "weighted_sum" &3 b=&4 alpha=&2"""


def test_blocks_as_sd_mecha_has_them_keep_time_embed_with_base() -> None:
    names = ("BASE", *(f"IN{n:02d}" for n in range(12)), "M00", *(f"OUT{n:02d}" for n in range(12)))
    blocks = " ".join(f"{name}={value}" for name, value in zip(names, RISING, strict=True))
    recipe, files = recipe_of_mecha(OTHERS.replace("{blocks}", blocks))
    step = recipe.steps[0]
    assert isinstance(step, MergeStep)
    assert (step.alpha, step.elemental) == (RISING, "OUT11:time_embed:0.35")
    assert files == {"A": 'C:\\m\\a b=c "x".safetensors', "B": "混合.safetensors"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('merge "slerp" &0 &1 0.5', "cannot hold slerp"),
        ('merge "weighted_sum" &0 &9', "line 4 of the .mecha recipe cannot be read"),
        ("model", "line 4 of the .mecha recipe cannot be read"),
        ('train "weighted_sum" &0 &1', "line 4 of the .mecha recipe cannot be read"),
        ('merge "weighted_sum" &0', "weighted_sum of a .mecha recipe lacks b"),
        ('model "x-shifts.safetensors" model_config="sd1-ldm" merge_space="delta"', "lacks|shifts"),
        ('model "x.safetensors" model_config="flux-flux" merge_space="weight"', "must all say model_config"),
        ("dict model.diffusion_model.out.2.bias=0.5", "cannot hold dict"),
    ],
)
def test_what_a_recipe_cannot_hold_is_named(line: str, says: str) -> None:
    models = [f'model "{name}.safetensors" model_config="sd1-ldm" merge_space="weight"' for name in "ab"]
    with pytest.raises(RecipeError, match=says):
        recipe_of_mecha("\n".join(("version 0.1.0", *models, line)))


def test_ratios_that_are_not_those_of_blocks_are_named() -> None:
    key = "model.diffusion_model.out.2.bias"
    text = "\n".join(
        (
            "version 0.1.0",
            *(f'model "{name}.safetensors" model_config="sd1-ldm" merge_space="weight"' for name in "ab"),
            f"dict {key}=0.5",
            'literal &2 model_config="sd1-ldm" merge_space=null',
            'merge "fallback" &3 0.25',
            'merge "weighted_sum" &0 &1 &4',
        )
    )
    with pytest.raises(RecipeError, match=key):
        recipe_of_mecha(text)


@pytest.mark.parametrize("text", ["", "# a comment\nversion 0.1.0", "version 0.0.9\nmodel x", "version 0.1.0\n#"])
def test_what_is_no_mecha_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"\.mecha recipe"):
        recipe_of_mecha(text)
