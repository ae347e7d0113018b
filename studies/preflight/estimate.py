"""What a study will take: pictures, time and disk, estimated before anything expensive starts.

Times come from counted work and the measured speed of one matrix product on the device; within a factor of two or so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.architecture.widths import REAL, SD1, FamilyName, Widths
from engine.devices import device_of
from engine.shots.samplers import unet_calls
from engine.shots.shot import Shot
from search.plan import STAGES
from search.shots import MOST_SHOTS, ShotRotation
from search.space.baselines import flats, parents
from studies.limits.disk import RECORD_BYTES, SHEET_BYTES, proved_bytes
from studies.studyfile.spec import Rendering, SearchSettings, StudyShots

if TYPE_CHECKING:
    import torch

    from engine.checkpoints.checkpoint import Checkpoint

UNET_FLOP: Mapping[FamilyName, tuple[float, float]] = {
    "sd1": (1.363e12, 0.244e12),
    "sd2": (1.363e12, 0.244e12),
    "sdxl": (3.110e12, 0.068e12),
}
"""Work of one guided call (two passes of the UNet): by the area, in units of 512 x 512 pixels, and by its square; fits
the counted 1.607, 2.591 and 16.96 TFLOP of SD1.5 at 512 x 512, 512 x 768 and 1024 x 1536, and 3.178, 4.784 and 21.36 of
SDXL. SD2 counts as SD1."""
DECODE_FLOP = 2.5e12
"""Work of decoding one picture of 512 x 512 pixels with SD1.5's VAE."""
ENCODE_FLOP = 1.1e12
"""Work of encoding one picture of 512 x 512 pixels with SD1.5's VAE."""
ENLARGE_FLOP = 9.4e12
"""Work of an ESRGAN model (23 blocks, four times larger) on a picture of 512 x 512 pixels."""
SPEED_SHARE = {"cpu": 0.5, "cuda": 0.3}
"""Part of a large matrix product's speed that a UNet reaches."""
PASS_SECONDS = {"cpu": 0.07, "cuda": 0.02}
"""Time of one pass of the UNet that no amount of computing power saves: about 700 small operations on four pictures.
The CPU's is measured with the demo on two cores; the GPU's is a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEstimate:
    """What a whole study takes, from its first trial to the proof."""

    trials: int
    pictures: int
    """All pictures made: those of the trials (the first of which also calibrate the panel) and of the proof."""
    seconds: float
    disk_bytes: int
    """What the study's folder will hold."""
    export_bytes: int
    """One exported checkpoint."""
    device: str
    """The kind of device the times are for: cpu or cuda."""
    speed: float
    """Of that device, as `matrix_speed` measured it."""
    family: FamilyName
    """Of the models."""


def estimate(
    search: SearchSettings,
    shots: StudyShots,
    rendering: Rendering,
    models: Mapping[str, Checkpoint],
) -> StudyEstimate:
    """Return what a study takes on its device.

    Args:
        search: how many trials and proofs there are.
        shots: of the study.
        rendering: where and how they are rendered.
        models: by letter, opened.
    """
    a = models["A"]
    device = device_of(rendering.device)
    count = counted(search, shots)
    elements = sum(info.elements for info in a.tensors.values())
    speed = matrix_speed(device)
    return StudyEstimate(
        trials=count.trials,
        pictures=count.pictures,
        seconds=count.pictures * picture_seconds(shots.trials[0], a.widths, device, speed),
        disk_bytes=_disk_bytes(shots, count),
        export_bytes=2 * elements,
        device=device.type,
        speed=speed,
        family=a.widths.family,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCount:
    """How many pictures a study makes."""

    trials: int
    drawn: int
    """Pictures of the trials."""
    proofs: int
    """Recipes that the proof renders at most."""
    proved: int
    """Pictures of the proof at most."""

    @property
    def pictures(self) -> int:
        """All of them."""
        return self.drawn + self.proved


def counted(search: SearchSettings, shots: StudyShots) -> PictureCount:
    """Return how many pictures a study makes at most; calibration recipes draw all the shots, trials their part."""
    available = len(shots.trials)
    each = min(search.shots_per_trial or MOST_SHOTS, available)
    rotation = ShotRotation(shots=available, per_trial=each, fresh=search.fresh_seeds)
    suggester = search.suggester(rotation)
    proofs = len(parents(search.space)) + len(flats(search.space)) + search.finalists + search.simplify
    drawn = sum(suggester.trials(stage) * len(shots.drawn(rotation.slots(stage))) for stage in STAGES)
    drawn += len(suggester.calibration()) * (available - each)
    return PictureCount(trials=suggester.total, drawn=drawn, proofs=proofs, proved=proofs * len(shots.proof))


def picture_seconds(shot: Shot, widths: Widths, device: torch.device, speed: float | None = None) -> float:
    """Return the seconds one picture takes, both passes of it: its work by the device's speed.

    Args:
        shot: the picture.
        widths: of the models.
        device: where it is made.
        speed: of the device, as `matrix_speed` measures it; None: measured now.
    """
    speed = speed or matrix_speed(device)
    calls = sum(_calls(shot, number) for number in range(len(shot.passes)))
    return picture_work(shot, widths) / (speed * SPEED_SHARE[device.type]) + PASS_SECONDS[device.type] * calls / 4


def picture_work(shot: Shot, widths: Widths) -> float:
    """Return the FLOP of one picture, counted: calls of the UNet in both passes, coding, enlarging.

    Args:
        shot: the picture.
        widths: of the models.
    """
    from engine.rendering.guidance import is_guided

    sizes = [(one.width, one.height) for one in shot.passes]
    guided = [1 if is_guided(one) else 0.5 for one in shot.passes]  # without guidance a call is of one pass
    work = sum(guided[n] * _calls(shot, n) * call_work(size, widths) for n, size in enumerate(sizes))
    areas = [_area(*size) for size in sizes]
    coded = DECODE_FLOP * areas[-1]
    enlarging = 0.0
    if shot.hires and not shot.hires.on_latents:
        coded += DECODE_FLOP * areas[0] + ENCODE_FLOP * _area(shot.target.width, shot.target.height)
        enlarging = ENLARGE_FLOP * areas[0] if shot.hires.model else 0.0
    return work + coded * _square_mean(widths.vae) / _square_mean(SD1.vae) + enlarging


def call_work(size: tuple[int, int], widths: Widths) -> float:
    """Return the FLOP of one guided call of the UNet for a picture of this width and height in pixels."""
    (linear, square), area = UNET_FLOP[widths.family], _area(*size)
    return (linear * area + square * area**2) * _square_mean(widths.unet) / _square_mean(REAL[widths.family].unet)


def _calls(shot: Shot, number: int) -> int:
    """How often one pass of a shot asks the UNet."""
    one = shot.passes[number]
    planned = shot.hires.planned(one.steps) if number and shot.hires else None
    return unet_calls(one.sampler, one.schedule, one.steps, planned=planned)


def _area(width: int, height: int) -> float:
    return width * height / 512**2


def _square_mean(widths: Sequence[int]) -> float:
    return sum(width * width for width in widths) / len(widths)


def matrix_speed(device: torch.device) -> float:
    """Return the FLOP a second of a matrix product, in the number format that the device renders in."""
    import torch

    on_gpu = device.type != "cpu"
    size = 4096 if on_gpu else 768
    x = torch.ones(size, size, device=device, dtype=torch.float16 if on_gpu else torch.float32)
    best = min(_seconds_of_product(x) for _ in range(4))
    return 2 * size**3 / best


def _seconds_of_product(x: torch.Tensor) -> float:
    import torch

    started = time.perf_counter()
    float((x @ x)[0, 0])  # reading a number waits for the device
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - started


def _disk_bytes(shots: StudyShots, count: PictureCount) -> int:
    """Bytes of the trials and of the proof."""
    picture = math.prod(shots.trials[0].picture_size)
    sheets = int(2 * count.drawn * picture * SHEET_BYTES)
    return sheets + count.trials * RECORD_BYTES + count.proofs * proved_bytes(shots.proof)
