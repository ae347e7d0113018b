"""ComfyUI's node graphs: every tensor gets the share that ComfyUI gives it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.foreign_recipes.comfyui import comfyui_recipe, is_graph
from engine.foreign_recipes.header import recipe_of_header
from tests.engine.foreign_recipes.shares import keys_of, shares

UNET = "model.diffusion_model."


def sd1_ratios() -> dict[str, float]:
    """A different ratio of model 1 for every input of ModelMergeSD1, in its order."""
    names = [
        "time_embed.", "label_emb.", *(f"input_blocks.{n}." for n in range(12)),
        *(f"middle_block.{n}." for n in range(3)), *(f"output_blocks.{n}." for n in range(12)), "out.",
    ]  # fmt: skip
    return {name: round(0.98 - 0.03 * place, 4) for place, name in enumerate(names)}


def sdxl_ratios() -> dict[str, float]:
    names = [
        "time_embed.", "label_emb.", *(f"input_blocks.{n}" for n in range(9)), *(f"middle_block.{n}" for n in range(3)),
        *(f"output_blocks.{n}" for n in range(9)), "out.",
    ]  # fmt: skip
    return {name: round(0.98 - 0.03 * place, 4) for place, name in enumerate(names)}


def graph(kind: Any = "ModelMergeSD1", ratios: Any = None, **more: Any) -> dict[str, Any]:
    """Two loaders, a merge, the text encoders' merge and a saved checkpoint, with changed nodes."""
    inputs = sd1_ratios() if ratios is None else ratios
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "b.safetensors"}},
        "3": {"class_type": kind, "inputs": {"model1": ["1", 0], "model2": ["2", 0], **inputs}},
        "4": {"class_type": "CLIPMergeSimple", "inputs": {"clip1": ["1", 1], "clip2": ["2", 1], "ratio": 0.65}},
        "5": {"class_type": "CheckpointSave", "inputs": {"model": ["3", 0], "clip": ["4", 0], "vae": ["1", 2]}},
        **more,
    }


def expected(key: str, ratios: dict[str, float], base: float, vae: float) -> float:
    """The share of model 2 by ComfyUI's rule: the longest input that the key begins with, else the first."""
    if not key.startswith(UNET):
        if key.startswith("first_stage_model."):
            return vae
        skipped = ("position_ids", "logit_scale", "positional_embedding", "text_projection")
        return 0.0 if key.endswith(skipped) else base
    rest = key.removeprefix(UNET)
    names = sorted((name for name in ratios if rest.startswith(name)), key=len)
    return 1 - (ratios[names[-1]] if names else next(iter(ratios.values())))


@pytest.mark.parametrize(
    ("kind", "ratios", "family"),
    [
        ("ModelMergeSD1", sd1_ratios(), "sd1"),
        ("ModelMergeSDXL", sdxl_ratios(), "sdxl"),
        ("ModelMergeBlocks", {"input": 0.9, "middle": 0.5, "out": 0.2}, "sd1"),
        ("ModelMergeSimple", {"ratio": 0.3}, "sd1"),
    ],
)
@pytest.mark.parametrize("vae", [0, 1])
def test_every_tensor_has_its_share(kind: str, ratios: dict[str, float], family: FamilyName, vae: int) -> None:
    content = graph(kind, ratios)
    content["5"]["inputs"]["vae"] = [str(vae + 1), 2]
    found = recipe_of_header({"prompt": json.dumps(content)}, None, None)
    assert found.recipe.family == family
    given = shares(found.recipe)
    by_name = {"": ratios["ratio"]} if kind == "ModelMergeSimple" else ratios
    wrong = {
        key: (given[key].get("B", 0.0), expected(key, by_name, 0.35, vae))
        for key in keys_of(family)
        if given[key].get("B", 0.0) != pytest.approx(expected(key, by_name, 0.35, vae), abs=1e-9)
    }
    assert not wrong
    assert found.sources == {"A": "a.safetensors", "B": "b.safetensors"}


def test_linked_ratios_of_single_tensors() -> None:
    name = "output_blocks.5.1.transformer_blocks.0.attn1.to_q."
    primitive = {"class_type": "PrimitiveFloat", "inputs": {"value": -0.1}}
    content = graph(ratios={**sd1_ratios(), name: ["9", 0], "output_blocks.6.0.in_layers.2.": 0.5}, **{"9": primitive})
    given = shares(comfyui_recipe(content, None).recipe)
    assert given[f"{UNET}{name}weight"]["B"] == pytest.approx(1.1)
    undeclared = given[f"{UNET}output_blocks.6.0.in_layers.2.weight"]["B"]
    assert undeclared == pytest.approx(1 - sd1_ratios()["output_blocks.6."]), "ComfyUI drops undeclared constants"


def test_a_text_encoder_of_one_model_and_a_graph_that_saves_nothing() -> None:
    content = graph()
    content["5"]["inputs"]["clip"] = ["2", 1]
    base = "cond_stage_model.transformer.text_model.final_layer_norm.bias"
    assert shares(comfyui_recipe(content, None).recipe)[base] == {"B": 1.0}
    del content["5"]
    found = comfyui_recipe(content, None)
    assert shares(found.recipe)[base]["B"] == pytest.approx(0.35)
    assert any("a guess" in note for note in found.notes)


def loader(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"3": loader("ModelMergeAdd", model1=["1", 0], model2=["2", 0])}, "node 3 is 'ModelMergeAdd', which"),
        ({"2": loader("LoraLoader", model=["1", 0])}, "node 2 is 'LoraLoader', which is not read"),
        ({"2": loader("CheckpointLoaderSimple", ckpt_name=1), "4": loader("CLIPMergeSimple", clip1=["7", 1])},
         "there is no node 7"),
        ({"4": loader("CLIPMergeSimple", clip1=["1", 1], clip2=["2", 1], ratio="?")}, "ratio: a number belongs there"),
        ({"6": loader("CheckpointSave", model=["3", 0])}, "the graph saves 2 checkpoints"),
        ({"5": loader("CheckpointSave", model="3", clip=["4", 0], vae=["1", 2])}, "model comes from no node"),
        ({"5": loader("SaveImage")}, None),
        ({"3": loader("KSampler"), "5": loader("SaveImage")}, "the graph has 0 nodes that merge models"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_the_node(more: dict[str, Any], message: str | None) -> None:
    if message is None:
        comfyui_recipe(graph(**more), None)
        return
    with pytest.raises(RecipeError, match=message):
        comfyui_recipe(graph(**more), None)


def test_a_third_file_is_refused() -> None:
    third = loader("CheckpointLoaderSimple", ckpt_name="c.safetensors")
    content = graph(**{"8": third})
    content["5"]["inputs"]["vae"] = ["8", 2]
    with pytest.raises(RecipeError, match="the VAE is of a third file, 'c"):
        comfyui_recipe(content, None)


def test_a_vae_of_its_own_is_noted() -> None:
    content = graph(**{"8": loader("VAELoader", vae_name="good.vae")})
    content["5"]["inputs"]["vae"] = ["8", 0]
    assert any("the VAE was replaced by 'good.vae'" in note for note in comfyui_recipe(content, None).notes)


def test_what_a_graph_is() -> None:
    assert is_graph(graph())
    assert not is_graph({})
    assert not is_graph({"type": "webui"})
    assert not is_graph([graph()])
    with pytest.raises(RecipeError, match="prompt: it is no node graph"):
        recipe_of_header({"prompt": "a cat"} | {"prompt": json.dumps({"a": "cat"})}, None, None)
