from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.engine import Engine
from engine.errors import CheckpointError, EngineError, RecipeError, RenderError
from engine.recipes.blocks import BLOCKS
from engine.recipes.recipe import MergeStep, Recipe
from engine.shots.shot import Shot
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_models import NARROWEST, tiny_model

SHOTS = [
    Shot(prompt=f"a {thing}", seed=n, width=64, height=64, steps=2, cfg=3.5) for n, thing in enumerate(("cat", "house"))
]
SAME = 1e-5  # the same weights through two model objects: nothing but the order of sums could differ


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("narrow")
    return {
        name: write_tiny(folder / f"{name}.safetensors", seed, widths=NARROWEST) for name, seed in (("A", 1), ("B", 2))
    }


@pytest.fixture
def engine(parents: dict[str, Path]):
    with Engine.open(parents, device="cpu") as opened:
        yield opened


def test_the_ends_render_as_the_parents_do(engine: Engine) -> None:
    from engine.rendering.renderer import Renderer

    for recipe, seed in ((Recipe.flat(0), 1), (Recipe.flat(1, base=1), 2)):
        engine.build(recipe)
        expected = Renderer(tiny_model(seed)).render(SHOTS)
        assert float((engine.render(SHOTS) - expected).abs().max()) < SAME


def test_a_merge_differs_from_both_parents_and_comes_back_bit_for_bit(engine: Engine) -> None:
    pictures: list[torch.Tensor] = []
    for ratio in (0.0, 0.5, 1.0, 0.5):
        engine.build(Recipe.flat(ratio))
        pictures.append(engine.render(SHOTS))
    assert torch.equal(pictures[1], pictures[3])
    assert not torch.allclose(pictures[0], pictures[1])
    assert not torch.allclose(pictures[2], pictures[1])


def test_base_changes_what_prompts_mean_at_once(engine: Engine, parents: dict[str, Path]) -> None:
    engine.build(Recipe.flat(0.5))
    engine.render(SHOTS)
    engine.build(Recipe.flat(0.5, base=1))
    after = engine.render(SHOTS)
    with Engine.open(parents, device="cpu") as fresh:
        fresh.build(Recipe.flat(0.5, base=1))
        assert torch.equal(fresh.render(SHOTS), after)


def test_prompts_are_encoded_again_only_when_base_changes(engine: Engine) -> None:
    calls: list[int] = []
    engine.build(Recipe.flat(0.2))
    text_encoder = engine.weights.live.text_encoder
    text_encoder.register_forward_hook(lambda *_: calls.append(1))
    for recipe, expected in ((Recipe.flat(0.2), 1), (Recipe.flat(0.7), 1), (Recipe.flat(0.7, base=0.1), 2)):
        engine.build(recipe)
        engine.render(SHOTS)
        assert len(calls) == expected


def test_an_interrupted_build_leaves_nothing_stale(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.build(Recipe.flat(0))
    engine.render(SHOTS)
    weights = engine.weights
    whole = type(weights).build

    def interrupted(self: object, plan: object) -> None:
        whole(weights, plan)  # pyright: ignore[reportArgumentType]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(weights), "build", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.build(Recipe.flat(1, base=1))
    with pytest.raises(RenderError, match="no recipe is built, or the last build was interrupted"):
        engine.render(SHOTS)
    engine.build(Recipe.flat(1, base=1))
    found = engine.render(SHOTS)
    engine.build(Recipe.flat(0))
    engine.build(Recipe.flat(1, base=1))
    assert torch.equal(engine.render(SHOTS), found)


def test_the_report_says_what_was_rebuilt(engine: Engine) -> None:
    first = engine.build(Recipe.flat(0.5))
    assert first.elements > 0
    assert engine.build(Recipe.flat(0.5)).elements == 0
    ratios = [0.0, *[0.5] * 25]
    ratios[BLOCKS.index("OUT05")] = 0.1
    one = engine.build(Recipe(steps=(MergeStep(alpha=tuple(ratios)),)))
    assert one.blocks == {"OUT05"}
    assert 0 < one.elements < first.elements / 5


def test_the_vae_is_float32_and_the_facts_are_told(parents: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    with Engine.open(parents, device="cpu", precision="bf16", progress=lambda *done: seen.append(done)) as opened:
        live = opened.weights.live
        assert next(live.vae.parameters()).dtype == torch.float32
        assert next(live.unet.parameters()).dtype == torch.bfloat16
        assert (opened.models, opened.device, opened.precision) == (("A", "B"), torch.device("cpu"), "bf16")
        opened.build(Recipe.flat(0.5))
        pictures = opened.render(SHOTS)
    assert pictures.dtype == torch.float32
    assert float(pictures.std()) > 0.01
    assert seen[-1][0] == seen[-1][1] > 0


def test_rendering_needs_a_recipe(engine: Engine) -> None:
    with pytest.raises(RenderError, match="no recipe is built"):
        engine.render(SHOTS)


def test_a_recipe_of_other_models_is_refused(engine: Engine) -> None:
    with pytest.raises(RecipeError, match="the models at hand are A, B"):
        engine.build(Recipe(steps=(MergeStep(models=("A", "C"), alpha=(0.5,) * 26),)))


def test_a_closed_engine_says_so(parents: dict[str, Path]) -> None:
    opened = Engine.open(parents, device="cpu")
    opened.close()
    opened.close()
    for call in (lambda: opened.build(Recipe.flat(0)), lambda: opened.render(SHOTS)):
        with pytest.raises(EngineError, match="closed"):
            call()


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"device": "gpu"}, 'unknown device \\("gpu"\\)'),
        ({"device": "meta"}, 'unknown device \\("meta"\\)'),
        ({"device": "cuda:99"}, r"torch sees \d+ CUDA devices"),
        ({"precision": "fp8"}, r'precision: is not known \("fp8"\); known here: auto, fp16, bf16, fp32'),
        ({"round_to": "int8"}, r'round_to: is not known \("int8"\); known here: fp16, bf16, fp32'),
        ({"speed": "fast"}, r'speed: is not known \("fast"\); known here: auto, eager, compile'),
    ],
)
def test_unknown_choices_are_refused(parents: dict[str, Path], choice: dict[str, str], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        Engine.open(parents, **choice)  # pyright: ignore[reportArgumentType]


def test_no_models_are_refused() -> None:
    with pytest.raises(EngineError, match="no models to open"):
        Engine.open({})


def test_all_broken_parents_are_named_at_once(parents: dict[str, Path], tmp_path: Path) -> None:
    short = tmp_path / "short.safetensors"
    short.write_bytes(parents["A"].read_bytes()[:1000])
    with pytest.raises(CheckpointError) as caught:
        Engine.open({"A": parents["A"], "B": tmp_path / "none.safetensors", "C": short}, device="cpu")
    assert "B: " in str(caught.value)
    assert "C: " in str(caught.value)
    assert "A: " not in str(caught.value)


def test_parents_of_other_widths_are_refused(parents: dict[str, Path], tmp_path: Path) -> None:
    other = write_tiny(tmp_path / "wide.safetensors", 3, widths=replace(NARROWEST, text=64))
    with pytest.raises(CheckpointError, match="cannot be merged"):
        Engine.open({"A": parents["A"], "B": other}, device="cpu")
