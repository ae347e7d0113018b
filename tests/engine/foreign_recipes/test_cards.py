"""Model cards and mergekit's YAML: what is sure is read, what is a guess says so, all else is refused in a sentence."""

from __future__ import annotations

import pytest

from engine.errors import RecipeError
from engine.foreign_recipes.cards import Card, card_recipe, civitai_card, hugging_face_card, is_civitai
from engine.foreign_recipes.formulas import formula_in
from engine.foreign_recipes.mergekit import mergekit_recipe
from engine.recipes.recipe import MergeStep
from engine.supermerger.fields import Reading
from tests.engine.exports.recipes import RISING, RISING_XL
from tests.engine.foreign_recipes.shares import shares

KEY = "model.diffusion_model.input_blocks.4.0.in_layers.2.weight"
ROW = ",".join(map(str, RISING))
FRONT = "---\nbase_model:\n- someone/first\n- someone/second\ntags:\n- merge\n---\n"
LINEAR = """merge_method: linear
models:
- model: first.safetensors
  parameters: {weight: 1}
- model: second.safetensors
  parameters:
    weight: 3
dtype: float16
"""


def of_card(text: str) -> Reading:
    return card_recipe(hugging_face_card(text), None)


def test_a_row_of_weights_beside_two_parents_is_a_guess() -> None:
    found = of_card(f"{FRONT}# Mine\n\nweights: `{ROW}`\n")
    assert found.recipe.steps == (MergeStep(alpha=RISING),)
    assert found.sources == {"A": "someone/first", "B": "someone/second"}
    assert sum("a guess" in note for note in found.notes) == 2


def test_rows_without_base_and_of_sdxl() -> None:
    found = of_card(FRONT + ", ".join(map(str, RISING[1:])))
    assert found.recipe.steps == (MergeStep(alpha=(0.0, *RISING[1:])),)
    assert any("no BASE" in note for note in found.notes)
    assert of_card(",".join(map(str, RISING_XL))).recipe.family == "sdxl"


def test_a_configuration_in_the_card_is_sure() -> None:
    found = of_card(f"{FRONT}\n```yaml\n{LINEAR}```\nand {ROW}\n")
    assert shares(found.recipe)[KEY] == pytest.approx({"A": 0.25, "B": 0.75})
    assert found.sources == {"A": "first.safetensors", "B": "second.safetensors"}
    assert not any("a guess" in note for note in found.notes)


@pytest.mark.parametrize(
    ("line", "models", "weights"),
    [
        ("A * 0.4 + B * 0.6", ("A", "B"), (0.4, 0.6)),
        ("0.4*A + 0.6*B", ("A", "B"), (0.4, 0.6)),
        ("Recipe: (Anything v3 * 0.3) + (Counterfeit-V2.5 * 0.7)", ("Anything v3", "Counterfeit-V2.5"), (0.3, 0.7)),
        ("- Anything 40% + Basil (35%) + 夜の絵 25%", ("Anything", "Basil", "夜の絵"), (0.4, 0.35, 0.25)),
        ("0.33(A) + 0.67(B)", ("A", "B"), (0.33, 0.67)),
    ],
)
def test_formulas(line: str, models: tuple[str, ...], weights: tuple[float, ...]) -> None:
    found = card_recipe(Card(text=f"My merge\n{line}\nenjoy"), None)
    assert shares(found.recipe)[KEY] == pytest.approx(dict(zip("ABC", weights, strict=False)))
    assert tuple(found.sources.values()) == models
    assert any("a guess: read from the line" in note for note in found.notes)


@pytest.mark.parametrize(
    "text", ["I like cats + dogs", "1 + 1 = 2", "A * 0.5", "A * 0.4 + A * 0.6", "A * + B * 0.6", "+" * 300]
)
def test_what_is_no_formula(text: str) -> None:
    assert formula_in(text) is None


def test_civitai() -> None:
    version = {"description": "<p>v2</p><ul><li>Anything * 0.4 + Basil * 0.6</li></ul>"}
    model = {"description": "<b>mine</b> &amp; yours", "modelVersions": [version, {"description": "A*0.5 + B*0.5"}]}
    assert is_civitai(model)
    assert is_civitai({"description": "", "modelId": 3})
    assert not is_civitai({"description": ""})
    found = card_recipe(civitai_card(model), None)
    assert found.sources == {"A": "Anything", "B": "Basil"}
    assert shares(found.recipe)[KEY] == pytest.approx({"A": 0.4, "B": 0.6})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FRONT + "a fine model", r"names its parents \(someone/first, someone/second\) but no weights"),
        ("a fine model", "it names no weights that could be read"),
        (f"{FRONT}{ROW}\n{ROW.replace('0.35', '0.36')}", "the card has 2 rows of block weights"),
        ("A*0.5 + B*0.5\nC*0.5 + D*0.5", "there are 2 formulas"),
        ("A*0.5 + B*0.6", "sum to 1.1; those of a merge sum to 1"),
        ("---\nbase_model: [a, b, c]\n---\n" + ROW, "names 3 parents"),
        ("---\nbase_model: [a\n---\n", "the front matter: this is not YAML"),
        ("```yaml\nmerge_method: slerp\n```", "mergekit: merge_method is 'slerp'; linear of whole models is read"),
        ("---\n" + "[" * 5000 + "\n---\n", "the front matter: this is not YAML"),
    ],
)
def test_what_is_not_read_is_refused_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        of_card(text)


def test_mergekit_with_four_models_is_a_chain() -> None:
    models = "\n".join(f"- {{model: m{n}, parameters: {{weight: {n}}}}}" for n in (1, 2, 3, 4))
    found = mergekit_recipe(f"merge_method: linear\nparameters: {{normalize: true}}\nmodels:\n{models}\n", "sdxl")
    assert shares(found.recipe)["model.diffusion_model.label_emb.0.0.weight"] == pytest.approx(
        {"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.4}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("weight: 3", "weight: [{filter: out, value: 1}, {value: 0}]"), "has weights by filter; one weight a model"),
        (("weight: 3", "weight: -1"), "the weights sum to 0"),
        (("weight: 3", "weight: .nan"), "weight of second.safetensors: a number belongs there"),
        (("dtype: float16", "parameters: {normalize: false}"), "the weights sum to 4 and are not normalized"),
        (("models:", "others:"), "models: a list belongs there"),
        (("linear", "linear\nslices: []"), "it merges slices of layers"),
        (("linear", "[linear"), "this is not YAML"),
    ],
)
def test_configurations_that_are_not_read(change: tuple[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        mergekit_recipe(LINEAR.replace(*change), None)


def test_an_object_is_needed() -> None:
    with pytest.raises(RecipeError, match="a JSON object is needed"):
        mergekit_recipe("- 1", None)
