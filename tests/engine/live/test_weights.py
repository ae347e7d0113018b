from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.errors import RecipeError
from engine.live.memory import ALIGNMENT, memory_order, offsets_of
from engine.live.model import LiveModel
from engine.live.weights import BuildReport, LiveWeights
from engine.merging.evaluate import PlainSum
from engine.merging.exact import replay
from engine.recipes.blocks import BLOCKS, Site, block_of
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from tests.engine.models.tiny import write_tiny

CPU = torch.device("cpu")
QUERY = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
NORM = "model.diffusion_model.output_blocks.5.1.norm.weight"
LAST_BIAS = "model.diffusion_model.out.2.bias"


def loaded(a: Path, b: Path, dtype: torch.dtype = torch.float32, round_to: str = "fp16") -> LiveWeights:
    checkpoints = {"A": open_checkpoint(a), "B": open_checkpoint(b)}
    live = LiveModel.empty(checkpoints["A"].widths)
    return LiveWeights.load(live, checkpoints, device=CPU, dtype=dtype, round_to=round_to)


def build(weights: LiveWeights, recipe: Recipe) -> BuildReport:
    return weights.build(weights.plan(recipe))


def with_block(recipe: Recipe, block: str, ratio: float) -> Recipe:
    merge = recipe.steps[0]
    assert isinstance(merge, MergeStep)
    assert isinstance(merge.alpha, tuple)
    ratios = list(merge.alpha)
    ratios[BLOCKS.index(block)] = ratio
    return Recipe(steps=(MergeStep(alpha=tuple(ratios)), *recipe.steps[1:]))


@pytest.fixture(scope="module")
def both(tiny_a: Path, tiny_b: Path) -> LiveWeights:
    """A and B in memory."""
    return loaded(tiny_a, tiny_b)


@pytest.fixture
def weights(both: LiveWeights) -> LiveWeights:
    """A and B in memory, nothing built that a build may rely on."""
    both._built.clear()
    return both


def test_the_ends_are_the_parents(weights: LiveWeights, tiny_a: Path, tiny_b: Path) -> None:
    for recipe, path in ((Recipe.flat(0), tiny_a), (Recipe.flat(1, base=1), tiny_b)):
        build(weights, recipe)
        parent = open_checkpoint(path)
        assert all(torch.equal(weights.read(k).flatten(), parent.read(k).float().flatten()) for k in weights.keys)


def test_values_are_rounded_once_to_the_export_dtype(weights: LiveWeights, tiny_a: Path, tiny_b: Path) -> None:
    site = Site.parse("OUT05:attn1")
    build(weights, Recipe(steps=(*Recipe.flat(0.35).steps, SelfStep(factors=((site, 0.88),)))))
    a, b = (open_checkpoint(path).read(QUERY).double() for path in (tiny_a, tiny_b))
    exact = 0.88 * (a + 0.35 * (b - a))
    found = weights.read(QUERY)
    assert found.dtype == torch.float32
    assert torch.equal(found, found.half().float())
    assert float((found == exact.half().float()).double().mean()) > 0.995  # float32 decides some ties otherwise
    assert torch.allclose(found.double(), exact, rtol=2**-10.9, atol=2**-24)


def test_adjust_shifts_the_last_bias(weights: LiveWeights) -> None:
    build(weights, Recipe.flat(0.35))
    before = weights.read(LAST_BIAS).clone()
    build(weights, Recipe(steps=(*Recipe.flat(0.35).steps, AdjustStep(values=(0, 0, 0, 5, 0, 0, 0, 0)))))
    assert torch.allclose(weights.read(LAST_BIAS) - before, torch.tensor([0.1, 0, 0, 0]), atol=2e-4)


def test_only_what_changed_is_rebuilt(weights: LiveWeights) -> None:
    recipe = Recipe.flat(0.35)
    first = build(weights, recipe)
    assert first.blocks == frozenset(BLOCKS)
    assert first.elements == sum(weights.read(key).numel() for key in weights.keys)
    for key in weights.keys:
        weights.read(key).fill_(torch.nan)
    report = build(weights, with_block(recipe, "OUT05", 0.15))
    assert report.blocks == {"OUT05"}
    assert report.segments == 1
    for key in weights.keys:
        poisoned = bool(weights.read(key).isnan().any())
        assert poisoned == (block_of(key) != "OUT05"), key


def test_a_site_is_a_few_segments(weights: LiveWeights) -> None:
    recipe = Recipe.flat(0.35)
    build(weights, recipe)
    report = build(weights, Recipe(steps=(*recipe.steps, SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9),)))))
    assert report.segments <= 2
    assert report.elements == 3 * 64 * 64


def test_nothing_changes_without_a_change(weights: LiveWeights) -> None:
    build(weights, Recipe.flat(0.35))
    report = build(weights, Recipe.flat(0.35))
    assert (report.segments, report.elements, report.blocks) == (0, 0, frozenset())


def test_going_back_is_exact(weights: LiveWeights) -> None:
    build(weights, Recipe.flat(0.35))
    before = {key: weights.read(key).clone() for key in weights.keys}
    for ratio in (0.1, 0.9, 0.5):
        build(weights, Recipe.flat(ratio, base=ratio))
    build(weights, Recipe.flat(0.35))
    assert all(torch.equal(weights.read(key), value) for key, value in before.items())


def test_an_interrupted_build_is_built_again(weights: LiveWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    build(weights, Recipe.flat(0.35))
    before = {key: weights.read(key).clone() for key in weights.keys}
    with monkeypatch.context() as patch:
        patch.setattr("engine.merging.evaluate.Arithmetic.evaluate_all", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(weights, Recipe.flat(0.9))
    build(weights, Recipe.flat(0.35))
    assert all(torch.equal(weights.read(key), value) for key, value in before.items())


def _interrupted(_self: object, sums: list[PlainSum]) -> None:
    sums[0].out.zero_()
    raise KeyboardInterrupt


def test_keys_start_at_multiples_of_a_tile(weights: LiveWeights) -> None:
    sizes = {key: weights.read(key).numel() for key in weights.keys}
    starts, length = offsets_of(sizes)
    assert all(start % ALIGNMENT == 0 for start in starts.values())
    assert length < sum(sizes.values()) + ALIGNMENT * len(sizes)
    first = min(weights.read(key).data_ptr() for key in weights.keys if key.startswith("model.diffusion_model."))
    assert (weights.read(QUERY).data_ptr() - first) % (4 * ALIGNMENT) == 0


def test_memory_is_ordered_by_block_then_element() -> None:
    keys = [
        QUERY,
        NORM,
        LAST_BIAS,
        QUERY.replace("attn1", "attn2"),
        QUERY.replace("output_blocks.5", "output_blocks.4"),
    ]
    blocks = [BLOCKS.index(block_of(key)) for key in memory_order(keys)]
    assert blocks == sorted(blocks)
    assert memory_order(keys)[1:4] == [NORM, QUERY, QUERY.replace("attn1", "attn2")]


def test_parameters_are_the_buffers(weights: LiveWeights) -> None:
    build(weights, Recipe.flat(0.35))
    assert weights.live.unet.get_parameter("conv_out.bias").data_ptr() == weights.read(LAST_BIAS).data_ptr()
    assert weights.live.unet.conv_out.bias is weights.live.parameters_of(LAST_BIAS)[0]


def test_a_model_that_was_moved_is_noticed(tiny_a: Path) -> None:
    weights = loaded(tiny_a, tiny_a)
    weights.live.module("unet").to(torch.float16)
    with pytest.raises(RuntimeError, match="left their memory"):
        build(weights, Recipe.flat(0.35))


def test_a_part_that_a_build_does_not_touch_is_checked_too(tiny_a: Path, tiny_b: Path) -> None:
    weights = loaded(tiny_a, tiny_b)
    build(weights, Recipe.flat(0.35))
    norm = weights.live.unet.get_submodule("mid_block.resnets.0.norm1")
    assert isinstance(norm.weight, torch.nn.Parameter)
    norm.weight = torch.nn.Parameter(norm.weight.detach().clone(), requires_grad=False)
    with pytest.raises(RuntimeError, match=r"1 parameters left their memory, such as .*middle_block"):
        build(weights, with_block(Recipe.flat(0.35), "OUT05", 0.15))


def test_an_unknown_model_is_named(weights: LiveWeights) -> None:
    recipe = Recipe(steps=(MergeStep(models=("A", "C"), alpha=0.0),))
    with pytest.raises(RecipeError, match="the recipe takes C; the models at hand are A, B"):
        build(weights, recipe)


def test_one_file_under_two_names_is_kept_once(tiny_a: Path) -> None:
    weights = loaded(tiny_a, tiny_a)
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio))
    assert weights.parent("A", QUERY).data_ptr() == weights.parent("B", QUERY).data_ptr()


def test_a_half_model_keeps_its_vae_in_single_precision(tiny_a: Path, tiny_b: Path) -> None:
    weights = loaded(tiny_a, tiny_b, dtype=torch.float16)
    build(weights, Recipe.flat(0.35))
    assert weights.read(QUERY).dtype == torch.float16
    assert weights.live.vae.dtype == torch.float32
    single = loaded(tiny_a, tiny_b)
    build(single, Recipe.flat(0.35))
    assert all(torch.equal(weights.read(key).float(), single.read(key)) for key in single.keys)


def test_the_first_build_says_how_far_it_is(tiny_a: Path, tiny_b: Path) -> None:
    checkpoints = {"A": open_checkpoint(tiny_a), "B": open_checkpoint(tiny_b)}
    seen: list[tuple[int, int]] = []
    live = LiveModel.empty(checkpoints["A"].widths)
    weights = LiveWeights.load(
        live, checkpoints, device=CPU, dtype=torch.float32, progress=lambda *now: seen.append(now)
    )
    for ratio in (0.3, 0.4):
        build(weights, Recipe.flat(ratio))
    assert sum(now == total for now, total in seen) == 1
    done = [now for now, _ in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1][1] > 0


def every_mode() -> list[Recipe]:
    three = ("A", "B", "C")
    runs = [
        MergeStep(models=three, mode="Add difference", alpha=0.7),
        MergeStep(models=three, mode="Triple sum", alpha=0.3, beta=0.2),
        MergeStep(models=three, mode="sum Twice", alpha=0.3, beta=0.2),
        MergeStep(calculation="cosineA", alpha=0.4),
        MergeStep(calculation="cosineB", alpha=0.4, adjust=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25)),
        MergeStep(models=three, calculation="trainDifference", alpha=1.0),
        MergeStep(models=three, calculation="extract", alpha=0.3, beta=0.4, gamma=0.5),
        MergeStep(calculation="tensor", alpha=0.4, beta=0.3),
        MergeStep(calculation="tensor2", alpha=0.4, beta=0.3),
        MergeStep(models=("A", "A"), calculation="plus random", alpha=0.01, seed=3),
        MergeStep(alpha=0.3, elemental="OUT05 OUT08:attn1:0.9,NOT BASE:bias:0"),
    ]
    chain = (
        MergeStep(alpha=0.3),
        MergeStep(models=("previous", "C"), calculation="cosineA", alpha=0.4),
        MergeStep(models=("previous", "B"), calculation="cosineB", alpha=0.2),
        MergeStep(models=("previous", "previous"), calculation="plus random", alpha=0.01, seed=3),
    )
    return [*(Recipe(steps=(run,)) for run in runs), Recipe(steps=chain[:2]), Recipe(steps=chain)]


@pytest.fixture(scope="module")
def three_parents(tiny_folder: Path, tiny_a: Path, tiny_b: Path) -> tuple[LiveWeights, dict[str, Checkpoint]]:
    """A, B and C in memory, and as files."""
    c = write_tiny(tiny_folder / "c.safetensors", 3)
    checkpoints = {name: open_checkpoint(path) for name, path in {"A": tiny_a, "B": tiny_b, "C": c}.items()}
    live = LiveModel.empty(checkpoints["A"].widths)
    return LiveWeights.load(live, checkpoints, device=CPU, dtype=torch.float32), checkpoints


@pytest.mark.parametrize(
    "recipe", every_mode(), ids=lambda recipe: f"{recipe.runs[-1].mode} {recipe.runs[-1].calculation}"
)
def test_every_mode_is_built_in_place(three_parents: tuple[LiveWeights, dict[str, Checkpoint]], recipe: Recipe) -> None:
    """Within two steps of fp16 of SuperMerger's own arithmetic, whatever was built before."""
    weights, checkpoints = three_parents
    weights.build(weights.plan(Recipe.flat(0.9)))
    weights.build(weights.plan(recipe))
    result = replay(recipe, checkpoints)
    for key in weights.keys:
        found, wanted = weights.read(key).double().flatten(), result.read(key).double().flatten()
        sizes = [checkpoints[name].read(key).double().abs().max() for name in checkpoints]
        step = torch.exp2(torch.floor(torch.log2(max([*sizes, wanted.abs().max()])))) * 2.0**-10
        assert float((found - wanted).abs().max() / step) <= 3, key


def test_a_change_of_one_block_reaches_all_keys_where_the_run_looks_at_all(
    three_parents: tuple[LiveWeights, dict[str, Checkpoint]],
) -> None:
    """The range of cosineA is of the whole model: rows that stay the same give other values."""
    weights, _ = three_parents

    def recipe(ratio: float) -> Recipe:
        alpha = dict.fromkeys(BLOCKS, 0.3) | {"OUT03": ratio}
        cosine = MergeStep(models=("previous", "C"), calculation="cosineA", alpha=0.4)
        return Recipe(steps=(MergeStep(alpha=tuple(alpha.values())), cosine))

    weights.build(weights.plan(recipe(0.3)))
    weights.build(weights.plan(recipe(0.9)))
    changed = weights.read(QUERY).clone()
    weights._built.clear()
    weights._prepasses.clear()
    weights.build(weights.plan(recipe(0.9)))
    assert torch.equal(weights.read(QUERY), changed)
