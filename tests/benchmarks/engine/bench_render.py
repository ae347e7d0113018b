"""What rendering costs beside the bare UNet and VAE and beside diffusers' own pipeline, and what Brownian noise costs.

In seconds of the processor, so that other programs on the machine count little; ratios are of one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from engine.engine import Engine
from engine.prompts.conditioner import Conditioner
from engine.recipes.recipe import Recipe
from engine.rendering.conditioning_rows import Packing
from engine.rendering.denoiser import Denoiser
from engine.rendering.noise import NoiseSource
from engine.rendering.noise_memory import NoiseMemory
from engine.rendering.renderer import Renderer
from engine.sampling.sample import sample
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.limits import RNGS
from engine.shots.shot import Shot
from tests.benchmarks.engine.stock_pipeline import stock_render
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import write_family

pytestmark = pytest.mark.benchmark

CPU = torch.device("cpu")
SHOT = Shot(
    prompt="a red cat on the beach", negative="grey", seed=0, width=128, height=128, steps=8, cfg=3.0, schedule="Karras"
)


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median processor seconds of some calls, after one to warm up."""
    times: list[float] = []
    for _ in range(repeats + 1):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return sorted(times[1:])[repeats // 2]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_render_against_bare_calls_and_the_stock_pipeline(family: Literal["sd1", "sdxl"], tmp_path: Path) -> None:
    """Eight pictures of eight steps with a tiny model."""
    path = tmp_path / "a.safetensors"
    if family == "sd1":
        write_tiny(path, 1)
    else:
        write_family(path, family, 1)
    shots = [replace(SHOT, seed=seed) for seed in range(8)]
    with Engine.open({"A": path, "B": path}) as engine, torch.inference_mode():
        engine.build(replace(Recipe.flat(0.0), family=family))
        live: Any = engine.weights.live
        noise, width = torch.randn(16, 4, 16, 16), live.family.widths.context
        rest: dict[str, Any] = {"encoder_hidden_states": torch.randn(16, 77, width)}
        if family == "sdxl":
            pooled = torch.randn(16, live.family.widths.text_g)
            rest["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": torch.zeros(16, 6)}
        unet = seconds(lambda: live.unet(noise, torch.tensor(500.0), **rest))
        vae = seconds(lambda: live.vae.decode(noise[:8]))
        ours = seconds(lambda: engine.render(shots))
        stock = seconds(stock_render(live, shots))
    print(f"\n{family}, 8 pictures of 128 x 128, 8 steps, {torch.get_num_threads()} threads, processor seconds")
    print(f"  8 bare UNet calls {8 * unet:.3f}, bare VAE {vae:.3f}; render {ours:.3f}; stock pipeline {stock:.3f}")
    print(f"  render / bare: {ours / (8 * unet + vae):.2f}; stock / render: {stock / ours:.2f}")


@pytest.mark.parametrize("rng", RNGS)
@pytest.mark.parametrize("sampler", ["DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE", "Euler a"])
def test_noise(sampler: str, rng: str) -> None:
    """A picture of 1024 x 1024 in 20 steps: its noise drawn, and from the memory."""
    shot = Shot(prompt="x", seed=5, width=1024, height=1024, sampler=sampler, steps=20, rng=rng)
    sigmas, memory = sigmas_for(sampler, shot.schedule, 20, sd1_levels()), NoiseMemory()

    def walk(kept: NoiseMemory | None) -> float:
        source, spent = NoiseSource([shot], CPU, kept), 0.0
        unit, noise = source.first(), source.after(sigmas)

        def timed(sigma: float, target: float) -> torch.Tensor:
            nonlocal spent
            began = time.process_time()
            drawn = noise(sigma, target)
            spent += time.process_time() - began
            return drawn

        sample(sampler, lambda x, sigma: x / (1 + sigma), unit, sigmas, timed, eta=1.0)
        return spent * 1000 / shot.steps

    walk(memory)
    drawn = sorted(walk(None) for _ in range(3))[1]
    print(f"\n{sampler}, {rng}: {drawn:6.2f} ms a picture and step drawn, {walk(memory):5.2f} ms from the memory")


def test_unequal_lengths(tmp_path: Path) -> None:
    """Prompts of three chunks with a negative of one: UNet calls and seconds, apart and in one call."""
    shots = [replace(SHOT, prompt="cat " * 160, seed=seed) for seed in range(4)]
    path = write_tiny(tmp_path / "a.safetensors", 1)
    with Engine.open({"A": path, "B": path}) as engine:
        engine.build(Recipe.flat(0.0))
        live = engine.weights.live
        renderer = Renderer(live, live.family)
        conditioner, calls = Conditioner(live.text_encoder), [0]
        live.unet.register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
        for name, packing in {"apart": Packing(aligned=True), "in one call": Packing(joined=True)}.items():
            renderer.denoiser = Denoiser(live, live.family, sd1_levels(), conditioner, packing=packing)
            renderer.render(shots)
            calls[0] = 0
            renderer.render(shots)
            count = calls[0]
            print(f"\n{name}: {count} UNet calls, {seconds(lambda: renderer.render(shots), 3):.3f} s")
