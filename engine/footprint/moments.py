"""What lies on a device at each moment of a trial: counted bytes, and what has to be assumed."""

from __future__ import annotations

from collections.abc import Iterator

from engine.footprint.activations import FLOAT_BYTES, decode_bytes, unet_bytes
from engine.footprint.demand import Demand, Form
from engine.footprint.weights import PartBytes, live_bytes

CONTEXT_BYTES = 600_000_000
"""What CUDA and its libraries take of a GPU by being there. Assumed, not measured: 300 to 800 MB are usual."""
SPARE_SHARE = 0.1
"""Share of the working memory that the allocator of a device wastes by gaps. Assumed, not measured."""
LIBRARY_BYTES = 700_000_000
"""Main memory that torch, diffusers and the others take by being there."""
COMPUTE_BYTES = 67_000_000
"""Scratch on the device in which values are computed."""
STREAM_BYTES = 67_200_000
"""Scratch for each parent, through which its pieces pass to the device."""
SCORING_BYTES = 300_000_000
"""Working memory of the scorers' encoders, which look at 16 pictures at a time."""
VAE_PIXELS = 2**20
"""Pixels of all pictures that the VAE works on at once at most."""
UNET, SCRATCH, PARENTS = "UNet", "scratch", "parents"
"""Names of what is always there, with what libraries take."""
TEXT, VAE, SCORERS = "text encoders", "VAE", "scorers"
"""Names of what can wait in main memory."""
CAN_WAIT = frozenset({TEXT, VAE, SCORERS})
"""All of that."""
WORKING = "working memory"
"""Name of what networks make and drop while they work."""
CUDA, LIBRARIES, GAPS = "CUDA", "libraries", "gaps"
"""Names of what is assumed and not counted."""
ASSUMED = frozenset({CUDA, LIBRARIES, GAPS})
"""All of that."""
ALWAYS = frozenset({CUDA, LIBRARIES, UNET, SCRATCH, PARENTS})
"""Names of all that lies there at every moment."""


def live_of(demand: Demand) -> PartBytes:
    """Return the bytes of the live model, whose VAE is in float32."""
    return live_bytes(demand.widths, demand.precision, "fp32")


def moments_of(
    demand: Demand, form: Form, *, is_gpu: bool, batch: int, decoded: int
) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the name of each moment of a trial and what lies on the device then, in bytes by name, without parents.

    Args:
        demand: What is asked for.
        form: How the model waits and works.
        is_gpu: Whether the device is a GPU; on a CPU all lies in main memory.
        batch: Pictures that the UNet makes at once.
        decoded: Pictures that the VAE works on at once.
    """
    live = live_of(demand)
    always = {CUDA: CONTEXT_BYTES} if is_gpu else {LIBRARIES: LIBRARY_BYTES}
    always |= {UNET: live.unet, SCRATCH: COMPUTE_BYTES + STREAM_BYTES * demand.parent_count * is_gpu}
    can_wait = {TEXT: live.text, VAE: live.vae, SCORERS: demand.scorers}
    unet = unet_bytes(demand.widths, demand.precision, demand.width, demand.height, demand.rows * batch)
    working: dict[str, tuple[tuple[str, ...], int]] = {
        "building": ((TEXT, VAE), 0),
        "rendering": ((), unet),
        "decoding": (() if form.strips else (VAE,), _decoding(demand, form, batch, decoded)),
        "scoring": ((SCORERS,), SCORING_BYTES if demand.scorers else 0),
    }
    for name, (present, memory) in working.items():
        there = {part: size for part, size in can_wait.items() if not form.waits or part in present}
        yield name, always | there | {WORKING: memory, GAPS: int(memory * SPARE_SHARE)}


def _decoding(demand: Demand, form: Form, batch: int, decoded: int) -> int:
    """The VAE's working memory, and the pictures that it makes."""
    width, height = demand.width, demand.height
    pictures = 3 * FLOAT_BYTES["fp32"] * width * height * batch
    return decode_bytes(demand.widths, form.vae, width, height, decoded, strips=form.strips) + pictures


def decoded_at_once(width: int, height: int, pictures: int) -> int:
    """Return how many pictures of a size the VAE works on at once, where memory allows it."""
    return min(pictures, max(1, VAE_PIXELS // (width * height)))
