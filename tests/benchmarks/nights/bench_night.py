"""What a trial costs beside its rendering: a night with the real store, panel and sheets, and a renderer that pretends.

By hand: ``python -m tests.benchmarks.nights.bench_night [--pictures tiny] [--late 5000]``, or with ``make bench``,
which runs a small part. The pretended engine builds nothing and returns pictures of a pool in no time, or after
``--sleep`` seconds, as a GPU would that leaves the processor alone. Counted is what keeps it waiting: the time between
the end of one rendering and the beginning of the next, in processor seconds of the night's own thread and by the clock;
and the processor seconds of the whole process, which has work beside the rendering. Shares are those of ``RENDERING_S``
of rendering. Statistics of the pool's pictures are real, and measured once: a night takes them on the device that
renders, and what they take on a processor is printed by itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import optuna
import pytest
import torch
from optuna.trial import FrozenTrial
from PIL import Image
from rich.console import Console

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.features import Features, joined
from scorers.panel.panel import Panel
from search.history import TrialRecord
from search.plan import STAGES
from search.samplers.optuna_samplers import distributions
from search.suggester import Proposal, Suggester
from studies.night.loop import TrialLoop
from studies.night.night import Night
from studies.store.backends.requests import FolderRequests
from studies.store.records import SLOTS
from studies.store.storage import NAME, StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.benchmarks.search.watched_trials import watched_trials
from tests.studies.sample_study import write_small_study

pytestmark = pytest.mark.benchmark

RENDERING_S = 2.0
"""Seconds of rendering that shares are taken of."""
POOL = 24
"""Pictures that the pretended renderer has."""
SIZES = {"real": (512, 768), "tiny": (64, 64)}
"""Width and height of the pictures."""
AROUND = 20
"""Trials that a number is the median of."""
SHARES = {"groups": 0.02, "blocks": 0.6, "self": 0.03, "adjust": 0.03, "refine": 0.4}
"""Part of the trials that each stage gets, some more than there will be."""


def picture(seed: int, width: int, height: int) -> npt.NDArray[np.float32]:
    """A random picture with detail of every size, as photographs and drawings have it: ``(3, height, width)``, 0..1."""
    draw = np.random.default_rng(seed)
    far = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2)
    far[0, 0] = 1
    layers = [np.fft.irfft2(np.fft.rfft2(draw.standard_normal((height, width))) / far**1.3) for _ in range(4)]
    grey, *colours = [(one - one.mean()) / one.std() for one in layers]
    level, contrast = draw.uniform(0.4, 0.6), draw.uniform(0.12, 0.2)
    return np.stack([(level + contrast * (grey + 0.4 * one)).clip(0, 1) for one in colours]).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one trial took beside its rendering, in seconds."""

    own: float
    """Processor seconds of the night's thread between two renderings: the next one waits for them."""
    clock: float
    """The same by the clock."""
    suggestion: float
    """Those of `own` that the suggestion took."""
    whole: float
    """Processor seconds of all threads, from one rendering to the next."""


def clocks() -> tuple[float, float, float]:
    """Seconds of this thread, by the clock, of this process."""
    return time.thread_time(), time.perf_counter(), time.process_time()


class PretendedEngine:
    """Renders nothing, and notes for how long it was kept waiting."""

    device, planned = torch.device("cpu"), None

    def __init__(self, size: tuple[int, int], sleep_s: float) -> None:
        """Draw the pool."""
        self.sleep_s = sleep_s
        self.pool = torch.stack([torch.from_numpy(picture(number, *size)) for number in range(POOL)])
        self.chosen: list[int] = []
        self.stretches: list[Stretch] = []
        self.suggestion_s = 0.0
        self._ended: tuple[float, float, float] | None = None
        self._built_at = 0.0
        self._seed = 0

    def build(self, recipe: Recipe) -> None:
        """Note how long it waited; what one recipe shows is always the same."""
        own, clock, whole = clocks()
        if self._ended is not None:
            waited = {"own": own - self._ended[0], "clock": clock - self._ended[1], "suggestion": self.suggestion_s}
            self.stretches.append(Stretch(**waited, whole=whole - self._built_at))
        self._built_at, self.suggestion_s = whole, 0.0
        self._seed = int(recipe.key[:12], 16)

    def render(self, shots: Sequence[Shot], **_: object) -> torch.Tensor:
        """Return pictures of the pool."""
        self.chosen = np.random.default_rng(self._seed).integers(0, POOL, len(shots)).tolist()
        time.sleep(self.sleep_s)
        images = self.pool[self.chosen]
        self._ended = clocks()
        return images

    def close(self) -> None:
        """Free nothing."""


@contextmanager
def pretended(engine: PretendedEngine) -> Generator[None]:
    """Let nights take the pretended engine and the features of its pool, and count what suggestions take."""
    see, following, pool = Panel.features, Suggester.next, list[Features]()

    def features(panel: Panel, images: torch.Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Features:
        if not pool:
            began = time.process_time()
            pool.extend(see(panel, one[None], [""], [number]) for number, one in enumerate(engine.pool))
            print(f"statistics of 4 pictures: {(time.process_time() - began) / POOL * 4 * 1e3:.0f} ms of processor")
        mine = joined([pool[number] for number in engine.chosen])
        return replace(mine, prompts=tuple(prompts), seeds=tuple(seeds))

    def suggested(suggester: Suggester, history: Sequence[TrialRecord]) -> Proposal | None:
        began = time.thread_time()
        found = following(suggester, history)
        engine.suggestion_s += time.thread_time() - began
        return found

    opened = classmethod(lambda *_, **__: engine)
    with (
        patch.object(Engine, "open", opened),
        patch.object(Panel, "features", features),
        patch.object(Suggester, "next", suggested),
    ):
        yield


def study(folder: Path, trials: int, size: tuple[int, int]) -> StudySpec:
    """A study of four pictures a trial, judged by their statistics, with so many trials."""
    file = write_small_study(folder)
    for number, path in enumerate(sorted((folder / "references").glob("*.png"))):
        whole = (picture(1000 + number, *size) * 255).round().astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(whole).save(path)
    text = file.read_text(encoding="utf-8").replace("[search]", "[search]\npatience = 0")
    text = text.replace("width = 64", f"width = {size[0]}").replace("height = 64", f"height = {size[1]}")
    text = text.partition("[scorers]")[0] + '[scorers]\nweights = { stats = 1 }\nkeep = ["stats"]\n'
    for stage, share in SHARES.items():
        text = text.replace(f"\n{stage} = ", f"\n{stage} = {max(2, round(share * trials))} # ")
    file.write_text(text, encoding="utf-8")
    return read_study_file(file)


def counted(engine: PretendedEngine, spec: StudySpec, last: int) -> None:
    """Run a night that is asked to stop after so many trials."""

    def stop(loop: TrialLoop, number: int) -> None:
        if number + 1 == last:
            FolderRequests(loop.spec.storage.folder).ask("stop")

    with pretended(engine), watched_trials(stop, before=True):
        Night(spec, Console(quiet=True), proof=False).run()


def measure(
    folder: Path, at: Sequence[int], *, size: tuple[int, int] = SIZES["real"], sleep_s: float = 0.0
) -> dict[int, Stretch]:
    """Run a night; returns what a trial took, the median of the ``AROUND`` before each of some numbers."""
    engine = PretendedEngine(size, sleep_s)
    spec = study(folder, max(at), size)
    began = time.perf_counter(), time.process_time()
    counted(engine, spec, max(at) + 1)
    calibrated, found = len(engine.stretches) - max(at), dict[int, Stretch]()
    for count in at:
        some = engine.stretches[calibrated + count - AROUND : calibrated + count]
        found[count] = Stretch(**{one.name: median(getattr(x, one.name) for x in some) for one in fields(Stretch)})
        print(row(count, found[count]), flush=True)
    print(f"the night: {time.perf_counter() - began[0]:.0f} s, {time.process_time() - began[1]:.0f} s of processor")
    return found


def filled(spec: StudySpec, trials: int) -> None:
    """Fill a study that was begun with made-up trials of every stage, until it has so many."""
    store, search, draw = StudyStore(spec.storage.folder, spec.storage.name), spec.search, np.random.default_rng(0)
    suggester, bounds, have, made = search.suggester(), distributions(search.space), store.trials(), list[FrozenTrial]()
    for stage in STAGES:
        planned = suggester.trials(stage) - sum(one.user_attrs["stage"] == stage for one in have)
        for _ in range(min(planned, trials - len(have) - len(made))):
            point = {k.name: k.tidy(k.value(draw.uniform(0.2, 0.8))) for k in search.space.free}
            value = float(draw.normal(-sum(point.values()) / len(point), 0.1))
            known = {NAME: "made up", "stage": stage, "standard_error": 0.1, SLOTS: []}
            made.append(optuna.create_trial(value=value, params=point, distributions=bounds, user_attrs=known))
    store.study.add_trial(made[0])
    with store.one_write():
        for one in made[1:]:
            store.study.add_trial(one)


def measure_late(folder: Path, trials: int, size: tuple[int, int] = SIZES["tiny"]) -> Stretch:
    """Return what a trial takes after so many, nearly all of which are made up."""
    engine, spec = PretendedEngine(size, 0.0), study(folder, trials, size)
    for last in (8, trials + AROUND):
        counted(engine, spec, last)
        if last < trials:
            filled(spec, trials)
    some = engine.stretches[-AROUND:]
    found = Stretch(**{one.name: median(getattr(x, one.name) for x in some) for one in fields(Stretch)})
    print(row(trials, found), flush=True)
    return found


def row(count: int, one: Stretch) -> str:
    """The numbers for people."""
    return (
        f"after {count:5d} trials: the next rendering waits for {one.own * 1e3:6.1f} ms of processor, "
        f"{one.own / RENDERING_S:6.2%} of {RENDERING_S:g} s ({one.suggestion * 1e3:6.1f} ms of it the suggestion; "
        f"{one.clock * 1e3:6.1f} ms by the clock); all threads together {one.whole * 1e3:6.1f} ms"
    )


def test_little_of_a_trial_is_not_rendering(tmp_path: Path) -> None:
    found = measure(tmp_path, [100, 1000])
    assert found[100].own < 0.03 * RENDERING_S
    assert found[1000].own < 0.05 * RENDERING_S


def test_little_of_a_trial_is_not_rendering_after_5000(tmp_path: Path) -> None:
    assert measure_late(tmp_path, 5000).own < 0.1 * RENDERING_S


def main() -> None:
    """Print rows."""
    reader = argparse.ArgumentParser(description="Measure what trials cost beside their rendering.")
    reader.add_argument("--pictures", choices=list(SIZES), default="real")
    reader.add_argument("--at", type=int, nargs="+", default=[])
    reader.add_argument("--late", type=int, nargs="+", default=[], help="after so many trials that are made up")
    reader.add_argument("--sleep", type=float, default=0.0, help="seconds that a rendering pretends to take")
    given = reader.parse_args()
    for trials in given.late:
        with TemporaryDirectory() as folder:
            measure_late(Path(folder), trials, SIZES[given.pictures])
    if not given.at and given.late:
        return
    with TemporaryDirectory() as folder:
        measure(Path(folder), given.at or [100], size=SIZES[given.pictures], sleep_s=given.sleep)


if __name__ == "__main__":
    main()
