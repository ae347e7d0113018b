"""The VAE in each of its forms: seconds, memory, and how far pictures move; and parts that leave the device."""

from __future__ import annotations

import torch

from engine.engine import Engine
from engine.footprint.demand import Form
from engine.rendering.vae_codec import Codec
from engine.rendering.vae_forms import VaeForms
from engine.shots.shot import Shot
from tests.benchmarks.gpu.timing import median_seconds, peak_gb

REPEATS = 3


def decoding(engine: Engine, side: int) -> None:
    """Decode one picture in each form, and compare it with the whole one in fp32."""
    live, device = engine.weights.live, engine.device
    latents = torch.randn(1, 4, side // 8, side // 8, generator=torch.Generator().manual_seed(1)).to(device)
    shots, whole = [Shot(prompt="", seed=1)], torch.zeros(0)
    forms = [Form(waits=False, vae="fp32", strips=False)]
    forms += [Form(waits=False, vae=vae, strips=True) for vae in ("fp32", "fp16", "bf16")]
    for form in forms:
        codec = Codec(live, VaeForms(form.vae, device, form))
        before = peak_gb(device, restart=True)
        with torch.inference_mode():
            picture = codec.decode(shots, latents)
            seconds = median_seconds(lambda _, codec=codec: codec.decode(shots, latents), device, REPEATS)
        whole = picture if not form.strips else whole
        moved = (picture - whole).abs() * 255
        print(
            f"{codec.forms!s:15s} {seconds * 1e3:7.1f} ms, {peak_gb(device) - before:.2f} GB beside the model, "
            f"{float(moved.mean()):.3f} grey levels in the mean, {float(moved.max()):.2f} at most"
        )


def parking(engine: Engine) -> None:
    """Send text encoders and VAE to the host and back, unchanged and as after a build that changed them."""
    weights = engine.weights
    for part in ("text", "vae"):
        weights.park(part)  # the first time takes memory on the host
        weights.fetch(part)

        def there_and_back(_: int, part: str = part) -> None:
            weights.park(part)
            weights.fetch(part)

        seconds = median_seconds(there_and_back, engine.device, REPEATS)
        print(f"{part}: unchanged, to the host and back {seconds * 1e3:.1f} ms")
