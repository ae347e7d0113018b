"""Slopes of rows, their contractions with gradients, and derivatives of pictures, against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.checkpoints.checkpoint import open_checkpoint
from engine.engine import Engine
from engine.errors import RecipeError, RenderError
from engine.gradients.contraction import UNET, Contraction
from engine.gradients.denoising_loss import DenoisingLoss, Noised
from engine.gradients.differentiation import Differentiation
from engine.gradients.slopes import Move, slopes_of
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.merging.folded import Plan
from engine.modes.rows import Row
from engine.recipes.blocks import BLOCKS, Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from engine.rendering.denoiser import Denoiser
from engine.rendering.vae_codec import DECODED_PIXELS
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.sample.world import write_world
from tests.engine.tiny import write_tiny
from tests.engine.tiny_models import NARROWEST

CPU = torch.device("cpu")
SITE = Site.parse("OUT05:attn1")
NUMBERS = ("IN05", "M00", "OUT05", "OUT11", "factor", "IN", "OUT", "OUT2", "CONT", "COL1")


def chain(**moved: float) -> Recipe:
    """A Weight sum, Self and Adjust, with some of their numbers moved."""
    ratios = [0.0, *(0.3 + 0.01 * place + moved.get(block, 0.0) for place, block in enumerate(BLOCKS[1:]))]
    values = {"IN": 2.0, "OUT": -1.0, "OUT2": 1.0, "CONT": 3.0, "BRI": 0.5, "COL1": -2.0, "COL2": 0.0, "COL3": 1.0}
    adjust = tuple(value + moved.get(name, 0.0) for name, value in values.items())
    factor = 0.9 + moved.get("factor", 0.0)
    return Recipe(
        steps=(MergeStep(alpha=tuple(ratios)), SelfStep(factors=((SITE, factor),)), AdjustStep(values=adjust))
    )


def moves(step: float = 0.7) -> dict[str, Move]:
    return {name: Move(recipe=chain(**{name: step}), step=step) for name in NUMBERS}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> LiveWeights:
    """Three of the narrowest parents, of which nothing is rendered."""
    folder = tmp_path_factory.mktemp("narrow")
    paths = {
        name: write_tiny(folder / f"{name}.safetensors", seed, widths=NARROWEST) for seed, name in enumerate("ABC")
    }
    opened = {name: open_checkpoint(path) for name, path in paths.items()}
    live = LiveModel.empty(opened["A"].widths)
    return LiveWeights.load(live, opened, device=CPU, dtype=torch.float64, round_to="fp32")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LiveWeights:
    """The sample world's parents, UNet and text encoder in float64: random models bend too much for differences."""
    world = write_world(tmp_path_factory.mktemp("world"))
    opened = {"A": open_checkpoint(world.illustration), "B": open_checkpoint(world.photo)}
    live = LiveModel.empty(opened["A"].widths)
    return LiveWeights.load(live, opened, device=CPU, dtype=torch.float64, round_to="fp32")


def value_of(row: Row, key: str, weights: LiveWeights) -> Tensor:
    """A row's tensor in float64, flat."""
    total = sum(
        (weight * weights.parent(str(name), key).double().flatten() for name, weight in row.terms), torch.zeros(1)
    )
    return total + torch.tensor(row.shift, dtype=torch.float64) if row.shift else total


def pairs() -> list[tuple[Callable[[float], Recipe], str]]:
    three = ("A", "B", "C")
    runs = {
        "Add difference": MergeStep(models=three, mode="Add difference", alpha=0.7),
        "Triple sum": MergeStep(models=three, mode="Triple sum", alpha=0.3, beta=0.2),
        "sum Twice": MergeStep(models=three, mode="sum Twice", alpha=0.3, beta=0.2, adjust=(1, -2, 1, 3, 0, 1, 0, 2)),
    }
    by_alpha = [(lambda h, run=run: Recipe(steps=(replace(run, alpha=0.3 + h),)), name) for name, run in runs.items()]
    twice = replace(runs["sum Twice"], name="first")
    over = MergeStep(models=("first", "C"), alpha=0.4)
    return [
        *by_alpha,
        (lambda h: Recipe(steps=(replace(twice, beta=0.2 + h), over)), "beta of a step before"),
        *((lambda h, name=name: chain(**{name: h}), name) for name in NUMBERS),
    ]


@pytest.mark.parametrize(("recipe", "name"), pairs(), ids=lambda value: value if isinstance(value, str) else "")
def test_rows_have_the_slopes_of_finite_differences(
    weights: LiveWeights, recipe: Callable[[float], Recipe], name: str
) -> None:
    slopes = slopes_of(name, weights.plan(recipe(0)), weights.plan(recipe(0.7)), 0.7)
    above, below = weights.plan(recipe(1e-3)), weights.plan(recipe(-1e-3))
    assert slopes
    for key in weights.keys:
        difference = (value_of(above.rows[key], key, weights) - value_of(below.rows[key], key, weights)) / 2e-3
        if key in slopes:
            assert torch.allclose(value_of(slopes[key], key, weights), difference, rtol=1e-9, atol=1e-10), key
        else:
            assert not difference.any(), key


def unet_loss(trained: LiveWeights) -> Tensor:
    """Something that depends on every weight of the UNet."""
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(2, 4, 8, 8, generator=draw, dtype=torch.float64)
    context = torch.randn(2, 16, 64, generator=draw, dtype=torch.float64)
    wanted = torch.randn(2, 4, 8, 8, generator=draw, dtype=torch.float64)
    found = trained.live.unet(x, torch.tensor(300.0), encoder_hidden_states=context, return_dict=False)[0]
    return (found - wanted).square().mean()


def fill(trained: LiveWeights, plan: Plan, keys: Iterable[str]) -> None:
    """The plan in float64, without rounding."""
    with torch.no_grad():
        for key in keys:
            trained.read(key).copy_(value_of(plan.rows[key], key, trained).view_as(trained.read(key)))


def test_one_backward_pass_gives_the_slope_of_every_number(trained: LiveWeights) -> None:
    """In float64 against central differences of the whole UNet."""
    plan = trained.plan(chain())
    chosen = {name: moves()[name] for name in ("IN05", "OUT11", "factor", "OUT", "CONT")}
    slopes = {name: slopes_of(name, plan, trained.plan(move.recipe), move.step) for name, move in chosen.items()}
    fill(trained, plan, [key for key in trained.keys if key.startswith(UNET)])
    contraction = Contraction(trained, {key for rows in slopes.values() for key in rows})
    with contraction.collecting():
        unet_loss(trained).backward()
    found = contraction.found()
    for name, rows in slopes.items():
        values: list[float] = []
        for step in (1e-5, -1e-5):
            fill(trained, trained.plan(chain(**{name: step})), rows)
            values.append(float(unet_loss(trained)))
        fill(trained, plan, rows)
        difference = (values[0] - values[1]) / 2e-5
        assert difference
        assert sum(found[key].along(row) for key, row in rows.items()) == pytest.approx(difference, rel=1e-6), name


def test_gradients_are_freed_and_the_model_is_left_without_any(trained: LiveWeights) -> None:
    trained._built.clear()
    trained.build(trained.plan(chain()))
    keys = [key for key in trained.keys if key.startswith("model.diffusion_model.output_blocks.5.")]
    contraction = Contraction(trained, keys)
    with contraction.collecting():
        unet_loss(trained).backward()
        assert all(parameter.grad is None for parameter in trained.live.unet.parameters())
    assert sorted(contraction.found()) == sorted(keys)
    assert not any(parameter.requires_grad for parameter in trained.live.unet.parameters())


def test_several_backward_passes_add_up(trained: LiveWeights) -> None:
    key = "model.diffusion_model.out.2.bias"
    once, twice = Contraction(trained, [key]), Contraction(trained, [key])
    for contraction, passes in ((once, 1), (twice, 2)):
        with contraction.collecting():
            for _ in range(passes):
                unet_loss(trained).backward()
    row = Row((("A", 0.5), ("B", -0.2)), (0.1, 0.2, 0.3, 0.4))
    assert once.found()[key].along(row)
    assert twice.found()[key].along(row) == pytest.approx(2 * once.found()[key].along(row))


# ------------------------------------------------------------------------------------------------------- pictures


def engine_of(weights: LiveWeights) -> Engine:
    weights._built.clear()
    return Engine(weights, device=CPU, precision="fp64")


def shots(
    sampler: str = "Euler", prompt: str = "a [red cat:blue house:0.5] [on the beach|in the city]", steps: int = 2
) -> list[Shot]:
    """Prompts whose every call says something else."""
    shot = Shot(prompt=prompt, seed=1, width=64, height=64, steps=steps, cfg=3.0, sampler=sampler)
    return [shot, replace(shot, seed=2)]


def picture_loss(pictures: Tensor) -> Tensor:
    """Not a mean over pictures: all are seen at once."""
    means = pictures.mean((2, 3)).double()
    return 100 * (means.prod(0) * torch.tensor([1.0, -2.0, 0.5])).sum()


def by_hand(value: Callable[[Recipe], float], names: Mapping[str, float]) -> dict[str, float]:
    """Central differences."""
    return {
        name: (value(chain(**{name: step})) - value(chain(**{name: -step}))) / (2 * step)
        for name, step in names.items()
    }


STEPS = {"IN05": 0.02, "factor": 0.05, "CONT": 0.1}


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Heun"])
def test_pictures_have_the_slopes_of_finite_differences(trained: LiveWeights, sampler: str) -> None:
    engine, wanted = engine_of(trained), shots(sampler)
    chosen = {name: move for name, move in moves().items() if name in STEPS}

    def value(recipe: Recipe) -> float:
        engine.build(recipe)
        return float(picture_loss(engine.render(wanted)))

    found = engine.slopes(chain(), chosen, wanted, picture_loss, last=9)
    assert found.value == pytest.approx(value(chain()), rel=1e-6)
    for name, difference in by_hand(value, STEPS).items():
        assert found.by_name[name] == pytest.approx(difference, rel=0.01, abs=1e-4), name


def test_traced_pictures_are_the_rendered_ones(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    found = engine.slopes(chain(), moves(), shots(), picture_loss)
    assert found.pictures is not None
    assert torch.equal(found.pictures, engine.render(shots()))


def test_thrift_changes_no_slope(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    plain = engine.slopes(chain(), moves(), shots(), picture_loss, last=2)
    thrifty = engine.slopes(chain(), moves(), shots(), picture_loss, last=2, thrifty=True)
    assert thrifty.by_name == pytest.approx(plain.by_name, rel=1e-5)


def test_pictures_one_by_one_have_the_same_slopes(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    together, single = (
        engine.slopes(chain(), moves(), shots(), picture_loss, last=2, at_once=count) for count in (2, 1)
    )
    assert single.by_name == pytest.approx(together.by_name, rel=1e-4)
    assert engine._renderer._codec._pixels_at_once == DECODED_PIXELS


def test_fewer_steps_see_less(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    found = [engine.slopes(chain(), moves(), shots(), picture_loss, last=last).by_name for last in (1, 2, 3)]
    assert found[0] != pytest.approx(found[1], rel=1e-3)
    assert found[2] == pytest.approx(found[1])


def test_a_loss_without_gradient_has_no_slope(trained: LiveWeights) -> None:
    found = engine_of(trained).slopes(chain(), moves(), shots(), lambda pictures: (pictures * 0).sum())
    assert set(found.by_name.values()) == {0.0}


# ------------------------------------------------------------------------------------------------------ denoising


def noised(engine: Engine, **changes: object) -> Noised:
    draw = torch.Generator().manual_seed(3)
    engine.build(chain())
    latents = engine.encode(torch.rand(3, 3, 64, 64, generator=draw))
    return replace(
        Noised(latents=latents, captions=("a red cat on the beach", "", "a blue tree"), seed=4, levels=2), **changes
    )  # pyright: ignore[reportArgumentType]


def test_denoising_losses_have_the_slopes_of_finite_differences(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    seen = noised(engine)
    chosen = {name: move for name, move in moves().items() if name in STEPS}
    found = engine.denoising_slopes(chain(), chosen, seen)
    assert found.value == pytest.approx(float(engine.denoising_errors(chain(), seen).mean()), rel=1e-6)
    differences = by_hand(lambda recipe: float(engine.denoising_errors(recipe, seen).mean()), STEPS)
    for name, difference in differences.items():
        assert found.by_name[name] == pytest.approx(difference, rel=0.01, abs=1e-4), name


def test_denoising_losses_depend_on_seed_and_caption(trained: LiveWeights) -> None:
    engine = engine_of(trained)
    seen = noised(engine)
    first = engine.denoising_errors(chain(), seen)
    assert first.shape == (3,)
    assert torch.equal(first, engine.denoising_errors(chain(), seen))
    assert not torch.equal(first, engine.denoising_errors(chain(), replace(seen, seed=5)))
    told = engine.denoising_errors(
        chain(), replace(seen, captions=("a red cat on the beach", "a green house", "a blue tree"))
    )
    assert torch.allclose(told[[0, 2]], first[[0, 2]], rtol=1e-5)
    assert not torch.allclose(told[1], first[1], rtol=1e-4)


def test_a_model_that_finds_all_the_noise_errs_nowhere(trained: LiveWeights) -> None:
    """With the noise itself for an answer; with nothing for an answer it errs by the noise's own size, about 1."""
    engine = engine_of(trained)
    seen = noised(engine)
    for factor, wanted in ((1.0, 0.0), (0.0, 1.0)):
        renderer = engine._renderer
        setattr(renderer, "_denoiser", _Told(renderer._denoiser, factor, seen.latents))  # noqa: B010
        assert float(renderer.errors(seen).mean()) == pytest.approx(wanted, abs=0.15 * wanted + 1e-9)


class _Told(Denoiser):
    """Knows the picture, and gives a part of the noise back."""

    def __init__(self, other: Denoiser, factor: float, latents: Tensor) -> None:
        self.__dict__ |= other.__dict__
        self._factor, self._latents = factor, latents

    def numbered(
        self, shots: Sequence[Shot], *, sizes: Sequence[tuple[int, int]] | None = None, base_calls: int | None = None
    ) -> Callable[[Tensor, float, int], Tensor]:
        return lambda x, sigma, call: x - self._factor * (x - self._latents)


# --------------------------------------------------------------------------------------------------------- errors


def test_what_has_no_slope_is_refused(weights: LiveWeights) -> None:
    plan = weights.plan(chain())
    with pytest.raises(RecipeError, match="IN05: moved by 0"):
        slopes_of("IN05", plan, weights.plan(chain(IN05=0.1)), 0.0)
    with pytest.raises(RecipeError, match="IN05: no tensor changes with it"):
        slopes_of("IN05", plan, weights.plan(chain()), 0.1)
    cosines = [weights.plan(Recipe(steps=(MergeStep(calculation="cosineA", alpha=alpha),))) for alpha in (0.3, 0.4)]
    with pytest.raises(RecipeError, match="are not weighted sums, and their slopes are not known"):
        slopes_of("alpha", cosines[0], cosines[1], 0.1)


def test_base_is_refused(weights: LiveWeights) -> None:
    weights._built.clear()
    renderer = DenoisingLoss(weights.live, weights.live.family)
    move = Move(recipe=Recipe.flat(0.5, base=0.5), step=0.5)
    with pytest.raises(RecipeError, match="slopes of BASE are not known"):
        Differentiation(weights, renderer, Recipe.flat(0.5), {"BASE": move})


def test_no_last_step_is_refused(weights: LiveWeights) -> None:
    with pytest.raises(RenderError, match="the last 0 steps of 4 pictures at once"):
        engine_of(weights).slopes(chain(), moves(), shots(), picture_loss, last=0)


def test_a_second_pass_is_refused(weights: LiveWeights) -> None:
    enlarged = [replace(shots()[0], hires=Hires(upscaler="Latent", scale=2.0)), shots()[0]]
    with pytest.raises(RenderError, match="1 of 2 shots have a second pass"):
        engine_of(weights).slopes(chain(), moves(), enlarged, picture_loss)


def test_pictures_of_odd_sizes_are_refused(weights: LiveWeights) -> None:
    engine = engine_of(weights)
    engine.build(chain())
    with pytest.raises(RenderError, match="multiples of 8"):
        engine.encode(torch.rand(1, 3, 60, 64))
