"""One worker of a study, as a process of a machine of its own, that writes down what it renders."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from rich.console import Console

from engine.engine import Engine
from engine.shots.shot import Shot
from scorers.panel.panel import Panel
from studies.candidate import Candidate
from studies.night.drawn import DrawnPictures
from studies.night.night import Night
from studies.night.workshop import Workshop
from studies.store.backends.database import backend
from studies.store.renders import shots_key
from studies.studyfile.read import read_study_file

HEAVY = (Engine, Panel)
"""What takes seconds to import, and is imported once for all workers."""


def work(study: Path, environment: Mapping[str, str], beats: tuple[int, int]) -> None:
    """Search a study; beside it lie what was said, and a line for every candidate that was rendered."""
    os.environ.update(environment)
    backend.BEAT_S, backend.GRACE_S = beats
    rendered, built, drawn = study.with_name("rendered.txt"), Workshop._built, Workshop._drawn
    last = [""]

    def write_down(self: Workshop, candidate: Candidate) -> float:
        last[0] = candidate.key
        return built(self, candidate)

    def write_down_shots(self: Workshop, shots: Sequence[Shot]) -> DrawnPictures:
        with rendered.open("a") as file:
            file.write(f"{os.getpid()} {last[0]} on {shots_key(shots)}\n")
        return drawn(self, shots)

    Workshop._built, Workshop._drawn = write_down, write_down_shots
    with study.with_name("said.txt").open("a") as said:
        Night(read_study_file(study), Console(file=said, width=200)).run()


@dataclass(kw_only=True)
class StudyMachine:
    """A folder with models and a study file, and the worker that runs there."""

    study: Path
    environment: Mapping[str, str]
    beats: tuple[int, int] = (1, 6)
    """Seconds between two heartbeats, and without one until a trial is lost."""
    worker: BaseProcess | None = None
    killed: set[int] = field(default_factory=set[int])
    """The processes that were killed."""

    def start(self) -> None:
        """Start a worker."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.worker = context.Process(target=work, args=(self.study, dict(self.environment), self.beats))
        self.worker.start()

    def kill(self) -> None:
        """Kill the worker; it may have ended."""
        assert self.worker is not None
        assert self.worker.pid is not None
        self.worker.kill()
        self.worker.join()
        if self.worker.exitcode:
            self.killed.add(self.worker.pid)

    @property
    def said(self) -> str:
        """What its workers said."""
        path = self.study.with_name("said.txt")
        return path.read_text() if path.exists() else ""

    @property
    def rendered(self) -> list[tuple[int, str]]:
        """What was rendered, by which process, in order."""
        path = self.study.with_name("rendered.txt")
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(process), key) for process, _, key in (line.partition(" ") for line in lines)]


def doubled(machines: list[StudyMachine]) -> set[str]:
    """What was rendered twice, candidate and shots, but what a killed process had in work or was writing."""
    seen: list[str] = []
    for machine in machines:
        for process in {process for process, _ in machine.rendered}:
            keys = [key for owner, key in machine.rendered if owner == process]
            seen += keys[:-2] if process in machine.killed else keys
    return {key for key in seen if seen.count(key) > 1}
