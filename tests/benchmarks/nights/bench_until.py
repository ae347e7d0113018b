"""Whether nights with a deadline end on time: the night's own loop on devices of made-up speeds, drifts and surprises.

By hand: `python -m tests.benchmarks.nights.bench_until`; about three core seconds a night.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.shots.shot import Shot
from studies.limits.deadline import NightLimits
from studies.limits.pace import SLOWER
from studies.night.noise import suggester_of
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study
from tests.studies.simulated_night import START, SimulatedDevice, Speed, simulated, trials_by_stage

PICTURE_S = 10.0
"""Seconds of a picture where nothing else is said."""


def even(_: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """Always the same."""
    return PICTURE_S * len(shots)


def slow_first(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """The first pictures take ten times as long."""
    return PICTURE_S * len(shots) * (10 if not device.rendered else 1)


def slow_first_trial(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """The first pictures after calibration, and those of the proof's first recipe, take five times as long."""
    return PICTURE_S * len(shots) * (5 if 36 <= device.rendered < 40 or 56 <= device.rendered < 60 else 1)


def long_proof(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """Pictures of the proof take 1.8 times as long as those of trials."""
    return PICTURE_S * len(shots) * (1.8 if shots[0] in device.proof else 1)


def slower(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """Twice as long after an hour, as a card that gets hot."""
    return 0.6 * PICTURE_S * len(shots) * (1 + (device.now - START) / 3600)


def faster(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """Half as long after half an hour, as where another program ends."""
    return 2 * PICTURE_S * len(shots) / (1 + (device.now - START) / 1800)


def uneven(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """From 0.6 to 1.6 times as long, at random."""
    return PICTURE_S * len(shots) * random.Random(device.rendered).uniform(0.6, 1.6)


def half_as_fast_from_the_middle(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """Twice as long from a quarter of an hour on."""
    return PICTURE_S * len(shots) * (2 if device.now - START > 900 else 1)


def some_very_slow(device: SimulatedDevice, shots: Sequence[Shot]) -> float:
    """Every tenth rendering takes four times as long."""
    return PICTURE_S * len(shots) * (4 if device.rendered // 4 % 10 == 9 else 1)


SPEEDS: tuple[Speed, ...] = (
    even, slow_first, slow_first_trial, long_proof, slower, faster, uneven, half_as_fast_from_the_middle,
    some_very_slow,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEnd:
    """How a simulated night ended."""

    speed: str
    hours: float
    early_s: float
    """Seconds before the deadline; below 0: after it."""
    longest_s: float
    """The longest of its last ten trials."""
    trials: dict[str, int]
    is_proved: bool
    is_whole: bool
    """Whether nothing of the plan was left to do: stages may end before they have all their trials."""

    @property
    def is_on_time(self) -> bool:
        """Whether it made its proof, was not late, and had no time for another trial, or none to make."""
        next_s = (1 + SLOWER) * self.longest_s
        return self.is_proved and self.early_s >= 0 and (self.is_whole or self.early_s <= next_s)

    def __str__(self) -> str:
        made = " ".join(f"{stage} {count}" for stage, count in self.trials.items())
        whole, proof = ("the whole plan" if self.is_whole else "shortened"), "proved" if self.is_proved else "no proof"
        early = f"{self.early_s:7.0f} s early, a trial {self.longest_s:4.0f} s"
        return f"{self.speed:29}{self.hours:5.2f} h{early}; {whole}, {proof}: {made}"


PLANNED = {"flat": 12, "groups": 10, "blocks": 40, "self": 6, "adjust": 6, "refine": 8}


def written(folder: Path) -> Path:
    """Write the study of the simulated nights."""
    file = write_small_study(folder, groups=PLANNED["groups"])
    text = file.read_text()
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = {PLANNED[stage]}")
    file.write_text(text)
    return file


def night(speed: Speed, hours: float, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SimulatedEnd:
    """Simulate a first night."""
    spec = read_study_file(written(folder))
    device, end = SimulatedDevice(speed=speed), START + 3600 * hours
    outcome = simulated(spec, device, monkeypatch, NightLimits(until=end), guess=0.8 * PICTURE_S)
    starts = [START, *(moment for moment, _, _ in device.calls)]
    longest = [end - begun for begun, (end, _, is_proof) in zip(starts, device.calls, strict=False) if not is_proof]
    store = StudyStore(spec.storage.folder, spec.storage.name)
    return SimulatedEnd(
        speed=speed.__name__,
        hours=hours,
        early_s=end - device.now,
        longest_s=max(longest[-10:]),
        trials=trials_by_stage(spec.storage.folder, spec.storage.name),
        is_proved=outcome is not None,
        is_whole=suggester_of(spec.search, spec.shots, store).next(store.history()) is None,
    )


def main() -> None:
    """Print how every night ended."""
    ends = list[SimulatedEnd]()
    with pytest.MonkeyPatch.context() as monkeypatch:
        for hours in (0.5, 0.75, 1.0):
            for speed in SPEEDS:
                with TemporaryDirectory() as folder:
                    ends.append(night(speed, hours, Path(folder), monkeypatch))
                print(ends[-1], flush=True)
    on_time, late = sum(end.is_on_time for end in ends), sum(end.early_s < 0 for end in ends)
    whole = sum(end.is_whole and end.early_s > end.longest_s for end in ends)
    print(f"{on_time} of {len(ends)} nights ended within one trial's time before their deadline, the proof made, or")
    print(f"earlier with nothing left to try ({whole}); {late} were late")


@pytest.mark.benchmark
def test_a_night_ends_on_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = night(uneven, 0.75, tmp_path, monkeypatch)
    print(end)
    assert end.is_on_time


if __name__ == "__main__":
    main()
