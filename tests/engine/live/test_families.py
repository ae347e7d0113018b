"""SD2 and SDXL live: the modules they came from, rebuilt in place, and nothing that would go stale."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from engine.architecture.keymap import ENCODERS
from engine.architecture.prediction import marks_of
from engine.architecture.widths import END, SD1, SD2, SD2_TEXT, SDXL, SDXL_TEXT_G
from engine.checkpoints.checkpoint import open_checkpoint
from engine.engine import Engine
from engine.errors import EngineError, RecipeError, RenderError
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.blocks import blocks_of
from engine.recipes.recipe import MergeStep, Recipe
from engine.shots.shot import Shot
from tests.engine.models.tiny import TINY
from tests.engine.models.tiny_families import OTHERS, V_MARKS, family_modules, write_family

FamilyKind = Literal["sd2", "sdxl"]
KINDS: tuple[FamilyKind, ...] = ("sd2", "sdxl")
CPU = torch.device("cpu")
G_BLOCK = f"{SDXL_TEXT_G}transformer.resblocks.1."
SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=72, height=64, steps=3, cfg=3.5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Two parents of each family."""
    folder = tmp_path_factory.mktemp("families")
    return {kind: [write_family(folder / f"{kind}-{n}.safetensors", kind, n) for n in (1, 2)] for kind in KINDS}


@pytest.fixture(scope="module")
def loaded(files: dict[str, list[Path]]) -> dict[str, LiveWeights]:
    return {kind: load(files[kind]) for kind in KINDS}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach a network fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def load(paths: list[Path]) -> LiveWeights:
    checkpoints = dict(zip("AB", map(open_checkpoint, paths), strict=True))
    live = LiveModel.empty(checkpoints["A"].widths)
    return LiveWeights.load(live, checkpoints, device=CPU, dtype=torch.float32)


def build(weights: LiveWeights, recipe: Recipe) -> None:
    weights.build(weights.plan(recipe))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def unet_inputs(kind: FamilyKind) -> dict[str, Any]:
    context = OTHERS[kind].context
    found: dict[str, Any] = {"encoder_hidden_states": noise(2, 77, context)}
    if kind == "sdxl":
        sizes = torch.tensor([[64.0, 72, 0, 0, 64, 72], [128, 64, 8, 0, 96, 64]])
        found["added_cond_kwargs"] = {"text_embeds": noise(2, 96), "time_ids": sizes}
    return found


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> FamilyKind:
    return request.param


# -------------------------------------------------------------------------------------------------- as they came


@torch.no_grad()
def test_a_parent_gives_its_modules_own_output(kind: FamilyKind, loaded: dict[str, LiveWeights]) -> None:
    build(loaded[kind], parent(kind))
    live, original = loaded[kind].live, family_modules(kind, 1)
    x, t, inputs = noise(2, 4, 8, 8), torch.tensor([500.0, 20.5]), unet_inputs(kind)
    theirs: Any = original["unet"]
    assert torch.equal(live.unet(x, t, **inputs).sample, theirs(x, t, **inputs).sample)
    vae: Any = original["vae"]
    ours: Any = live.vae
    assert torch.equal(ours.decode(x).sample, vae.decode(x).sample)


@torch.no_grad()
def test_text_encoders_give_their_own_output(kind: FamilyKind, loaded: dict[str, LiveWeights]) -> None:
    build(loaded[kind], parent(kind))
    original = family_modules(kind, 1)
    tokens = torch.randint(0, 49407, (2, 77), generator=torch.Generator().manual_seed(0))
    tokens[:, 20] = 49407
    for component in ENCODERS[: 1 + (kind == "sdxl")]:
        ours: Any = loaded[kind].live.module(component)
        theirs: Any = original[component]
        found, expected = (model(tokens, output_hidden_states=True) for model in (ours, theirs))
        assert all(map(torch.equal, found.hidden_states, expected.hidden_states))
        if component == "text_g":  # the projection's memory lies the other way round, so sums round differently
            torch.testing.assert_close(found.text_embeds, expected.text_embeds, rtol=1e-5, atol=1e-6)


def test_nothing_is_left_without_memory(kind: FamilyKind, loaded: dict[str, LiveWeights]) -> None:
    for module in loaded[kind].live.modules.values():
        assert not module.training
        assert not any(p.is_meta or p.requires_grad for p in module.parameters())
        assert not any(buffer.is_meta for buffer in module.buffers())


def test_full_size_models_have_the_released_heads_and_layers() -> None:
    xl, two = LiveModel.empty(SDXL), LiveModel.empty(SD2)
    assert sum(p.numel() for p in xl.unet.parameters()) == 2_567_463_684
    heads = [xl.unet.get_submodule(f"down_blocks.{n}.attentions.0.transformer_blocks.0.attn1").heads for n in (1, 2)]
    assert heads == [10, 20]
    assert xl.unet.config["addition_time_embed_dim"] == 256
    assert xl.family.vae_scale == xl.vae.config["scaling_factor"] == 0.13025
    assert xl.text_encoder_g is not None
    assert xl.text_encoder_g.config.num_attention_heads == 20
    assert xl.text_encoder_g.text_model.eos_token_id == END
    assert two.text_encoder.config.num_hidden_layers == 23
    assert two.unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1").heads == 5
    assert (two.text_encoder_g, two.family.vae_scale) == (None, 0.18215)


# ------------------------------------------------------------------------------------------------------ in place


def mixed(kind: FamilyKind, out05: float = 0.3, *, base: float = 0.5) -> Recipe:
    ratios = {**dict.fromkeys(blocks_of(kind), 0.5), "OUT05": out05, "BASE": base}
    return Recipe(steps=(MergeStep(alpha=tuple(ratios.values())),), family=kind)


def parent(kind: FamilyKind, first: str = "A", second: str = "B") -> Recipe:
    """The first model, whole."""
    return Recipe(steps=(MergeStep(models=(first, second)),), family=kind)


def test_a_rebuild_in_place_is_a_fresh_load(
    kind: FamilyKind, files: dict[str, list[Path]], loaded: dict[str, LiveWeights]
) -> None:
    """Every parameter of every module, through the modules' own names, and none of them moved."""
    weights, fresh = loaded[kind], load(files[kind])
    before = addresses(weights)
    for recipe in (mixed(kind, 0.9, base=0.2), mixed(kind, 0.8), mixed(kind)):
        build(weights, recipe)
    build(fresh, mixed(kind))
    assert addresses(weights) == before
    for component, module in weights.live.modules.items():
        other = dict(fresh.live.module(component).named_parameters())
        assert all(torch.equal(value, other[name]) for name, value in module.named_parameters()), component


def addresses(weights: LiveWeights) -> list[int]:
    return [value.data_ptr() for module in weights.live.modules.values() for value in module.parameters()]


def test_what_takes_no_part_in_merges_is_the_first_models(
    kind: FamilyKind, files: dict[str, list[Path]], loaded: dict[str, LiveWeights]
) -> None:
    prefix = SD2_TEXT if kind == "sd2" else SDXL_TEXT_G
    for first, second, path in (("A", "B", files[kind][0]), ("B", "A", files[kind][1])):
        build(loaded[kind], Recipe(steps=(MergeStep(models=(first, second), alpha=1.0),), family=kind))
        stored = open_checkpoint(path).read(f"{prefix}positional_embedding").float()
        assert torch.equal(loaded[kind].read(f"{prefix}positional_embedding"), stored)


def test_parts_are_views_of_one_memory(loaded: dict[str, LiveWeights]) -> None:
    """What an LDM key's memory says is what every parameter of it says at once."""
    weights = loaded["sdxl"]
    build(weights, mixed("sdxl"))
    encoder: Any = weights.live.text_encoder_g
    attention = encoder.text_model.encoder.layers[1].self_attn
    whole = weights.read(f"{G_BLOCK}attn.in_proj_weight")
    whole[96:192] = 7
    assert bool((attention.k_proj.weight == 7).all())
    assert not bool((attention.q_proj.weight == 7).any() | (attention.v_proj.weight == 7).any())
    weights.read(f"{SDXL_TEXT_G}text_projection")[3, 5] = 9
    assert float(encoder.text_projection.weight[5, 3]) == 9
    weights._built.clear()
    build(weights, mixed("sdxl"))
    assert not bool((attention.k_proj.weight == 7).any())


# -------------------------------------------------------------------------------------------------------- engine


def test_a_recipe_for_another_family_is_refused(files: dict[str, list[Path]]) -> None:
    said = r'the recipe is for sd1 and the models are sdxl; write family = "sdxl"'
    with Engine.open({"A": files["sdxl"][0]}, device="cpu") as engine, pytest.raises(RecipeError, match=said):
        engine.build(Recipe.flat(0))


def test_a_picture_comes_without_any_network(kind: FamilyKind, files: dict[str, list[Path]], offline: None) -> None:
    with Engine.open(dict(zip("AB", files[kind], strict=True)), device="cpu") as engine:
        engine.build(mixed(kind))
        first = engine.render([SHOT])
        engine.build(mixed(kind, 0.9))
        assert not torch.equal(engine.render([SHOT]), first)
        engine.build(mixed(kind))
        assert torch.equal(engine.render([SHOT]), first)
    assert first.shape == (1, 3, 64, 72)
    assert float(first.std()) > 0.01


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("marked") / "v.safetensors", "sdxl", 3, more=V_MARKS)


def test_marks_say_what_is_predicted(marked: Path, files: dict[str, list[Path]]) -> None:
    assert marks_of(open_checkpoint(marked).tensors) == {"v_pred", "ztsnr"}
    assert facts({"A": marked, "B": marked}) == ("v", True)
    assert facts({"A": files["sdxl"][0], "B": files["sdxl"][1]}) == ("epsilon", False)
    assert facts({"A": files["sd2"][0]}, prediction="v") == ("v", False)
    assert facts({"A": marked}, prediction="epsilon") == ("epsilon", True)


def facts(models: dict[str, Path], prediction: str = "auto") -> tuple[str, bool]:
    with Engine.open(models, device="cpu", prediction=prediction) as engine:
        family = engine.weights.live.family
        return family.prediction, family.zero_terminal_snr


def test_models_with_other_marks_do_not_mix(marked: Path, files: dict[str, list[Path]]) -> None:
    pair = {"A": files["sdxl"][0], "B": marked}
    with pytest.raises(EngineError, match=r"different predictions \(A nothing, B v_pred and ztsnr\)"):
        Engine.open(pair, device="cpu")
    assert facts(pair, prediction="v") == ("v", False)
    with pytest.raises(EngineError, match=r'prediction: is not known \("x"\); known here: auto, epsilon, v'):
        Engine.open(pair, device="cpu", prediction="x")


@pytest.mark.parametrize("widths", [TINY, SD1, *OTHERS.values()], ids=str)
def test_models_that_read_more_than_latents_are_refused(widths: Any) -> None:
    for inputs, variant in ((9, "inpainting"), (8, "instruct-pix2pix")):
        with pytest.raises(RenderError, match=rf"reads {inputs} channels \({variant}\).* no pictures can be made"):
            LiveModel.empty(replace(widths, inputs=inputs))
