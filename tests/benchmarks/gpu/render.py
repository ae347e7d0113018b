"""Rendering on a GPU: against the stock pipeline, eager and compiled; what lengths, channels-last and noise cost."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.live.model import LiveModel
from engine.prompts.conditioner import Conditioner
from engine.prompts.encoders import towers_of
from engine.rendering.conditioning_rows import Packing
from engine.rendering.denoiser import Denoiser
from engine.rendering.first_pass import first_pass
from engine.rendering.renderer import Renderer
from engine.shots.shot import Shot
from tests.benchmarks.engine.stock_pipeline import stock_render
from tests.benchmarks.gpu.timing import median_seconds

if TYPE_CHECKING:
    from engine.architecture.widths import FamilyName
    from engine.engine import Engine
    from engine.recipes.recipe import Recipe
    from tests.benchmarks.gpu.sections import Bench

GOAL = 1.3
"""How many times faster than the stock pipeline compiled rendering should be."""
REPEATS = 3
NEGATIVE = "lowres, bad anatomy"


def render(bench: Bench) -> None:
    """SD1.5 and SDXL: seconds a batch with the stock pipeline, eager and compiled; then what single choices cost."""
    families: tuple[FamilyName, ...] = ("sd1",) if bench.tiny else ("sd1", "sdxl")
    for family in families:
        with bench.opened(family) as engine:
            engine.build(bench.flat(family, 0.3))
            live, shots = engine.weights.live, batch(bench, family)
            first = shots[0]
            print(f"{family}: {len(shots)} pictures of {first.width} x {first.height}, {first.steps} steps")
            stock = row(bench, "stock pipeline", inference(stock_render(live, shots)))
            eager = row(bench, "eager", partial(Renderer(live, live.family).render, shots), stock)
            if bench.device.type == "cuda":  # a CPU compiles for minutes
                compiled(bench, engine, shots, bench.flat(family, 0.6), stock)
            lengths(bench, live, shots, eager)
            waits(bench, live, shots)
            layouts(bench, live, shots)


def compiled(bench: Bench, engine: Engine, shots: list[Shot], other: Recipe, stock: float) -> None:
    """The same compiled, and checked over a second build."""
    live = engine.weights.live
    fast = Renderer(live, live.family, speed="compile")
    fast.render(shots)
    engine.build(other)
    fast.denoiser.calls.weights_changed()
    apart = float((fast.render(shots) - Renderer(live, live.family).render(shots)).abs().max())
    row(bench, f"compiled, goal {GOAL:g}", partial(fast.render, shots), stock)
    print(f"  compiled pictures differ by {apart:.2g} at most; note: {fast.denoiser.calls.note or 'none'}")


def batch(bench: Bench, family: FamilyName) -> list[Shot]:
    """Return the pictures of a small trial."""
    width, height, steps = (64, 64, 3) if bench.tiny else (512, 768, 20) if family == "sd1" else (1024, 1024, 12)
    one = Shot(
        prompt="a cat in the forest", negative=NEGATIVE, seed=0, width=width, height=height, steps=steps, cfg=5.0
    )
    return [replace(one, schedule="Karras", seed=seed) for seed in range(4 if family == "sd1" else 2)]


def row(bench: Bench, name: str, work: Callable[[], object], stock: float = 0.0) -> float:
    """Measure and print one line; return the seconds."""
    seconds = median_seconds(lambda _: work(), bench.device, REPEATS)
    against = f"  {stock / seconds:5.2f} x the stock pipeline's speed" if stock else ""
    print(f"  {name:22s} {seconds * 1e3:9.1f} ms{against}")
    return seconds


def inference(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return the work in inference mode."""
    return torch.inference_mode()(work)


def lengths(bench: Bench, live: LiveModel, shots: list[Shot], eager: float) -> None:
    """Prompts three times as long as the negative: in one UNet call behind a mask, or in two."""
    long = [replace(shot, prompt="cat " * 160) for shot in shots]
    for name, packing in {"unequal, one call": Packing(joined=True), "unequal, two calls": Packing()}.items():
        renderer = Renderer(live, live.family)
        conditioner = Conditioner(towers_of(live, live.family))
        renderer.denoiser = Denoiser(live, live.family, renderer.denoiser.levels, conditioner, packing=packing)
        seconds = row(bench, name, partial(renderer.render, long))
        print(f"  {'':22s} {seconds / eager:9.2f} x the same with equal lengths")


def waits(bench: Bench, live: LiveModel, shots: list[Shot]) -> None:
    """Whether any step waits for the GPU: torch is asked to raise where one would."""
    if bench.device.type != "cuda":
        return
    denoiser = Renderer(live, live.family).denoiser
    noisy = [replace(shot, sampler="DPM++ SDE") for shot in shots]

    def run() -> None:
        first_pass(noisy, denoiser.of(noisy), denoiser.levels, denoiser.device, denoiser.noise)

    with torch.inference_mode():
        run()
        torch.cuda.set_sync_debug_mode("error")
        try:
            run()
            print("  no step waits for the GPU")
        except RuntimeError as error:
            print(f"  a step waits for the GPU: {error}")
        finally:
            torch.cuda.set_sync_debug_mode("default")


def layouts(bench: Bench, live: LiveModel, shots: list[Shot]) -> None:
    """One UNet call with contiguous latents, with channels-last ones, and with a copy of the weights that is so too."""
    denoiser, first = Renderer(live, live.family).denoiser, shots[0]
    seen: list[Any] = []

    def keep(_: Any, args: tuple[Any, ...], rest: dict[str, Any]) -> None:
        seen.append((args, rest))

    hook = live.unet.register_forward_pre_hook(keep, with_kwargs=True)
    with torch.inference_mode():
        denoiser.of(shots)(torch.randn(len(shots), 4, first.height // 8, first.width // 8, device=bench.device), 3.0)
    hook.remove()
    (latents, times), rest = seen[0]
    last = latents.to(memory_format=torch.channels_last)
    row(bench, "UNet call", inference(lambda: live.unet(latents, times, **rest)[0]))
    row(bench, "channels-last latents", inference(lambda: live.unet(last, times, **rest)[0]))
    copied: Any = deepcopy(live.unet)
    copied.to(memory_format=torch.channels_last)
    row(bench, "and weights (a copy)", inference(lambda: copied(last, times, **rest)[0]))
