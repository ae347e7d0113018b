"""Whether `recipe-search settings` finds planted settings, or says that they cannot be told; beside brute force.

By hand: ``python -m tests.benchmarks.after_recipe.bench_settings FOLDER [--brute N] [--joint] [--steps] [--plant
N]...``, or with ``make bench``, which takes the search by steps of the first plant. FOLDER keeps everything that was
rendered.

The wanted recipe of the sample world draws the references with planted settings; the study has others. Brute force
draws every value with N pictures, all else as planted, and says which values can be told from the planted one. The
answer of a search is judged on 96 other pictures: how far it is from the planted settings' score, and how much of the
way from the study's settings it has gone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from scorers.panel.verdict import PairedDifference
from studies.after_recipe.measuring.opened import measuring
from studies.after_recipe.measuring.subject import study_subject
from studies.after_recipe.settings.axes import asked_values
from studies.after_recipe.settings.card import write_settings_card
from studies.after_recipe.settings.joint.joint_search import JointSearch
from studies.after_recipe.settings.search import SettingsSearch
from studies.after_recipe.settings.setup import set_up
from studies.after_recipe.settings.shots import judged_shots
from studies.candidate import Candidate
from studies.results.settings import SettingsResult
from studies.studyfile.read import read_study_file
from tests.benchmarks.plants.planted import one_thread
from tests.benchmarks.plants.planted_settings import (
    PLANTED,
    VALUES,
    WANTED,
    DrawingSettings,
    PlantedWorld,
    ValueAgainstPlant,
)
from tests.studies.after_recipe.settings.joint.test_joint import silent

PLANTS = (PLANTED, DrawingSettings(cfg=9.0, sampler="DDIM", steps=20))
"""Settings that are planted: near the models' best, and far beyond the study's."""
PICTURES = 32
"""The most pictures of a value in a search: the command's own number."""
JUDGED = 96
"""Pictures that judge an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a search came to.

    Attributes:
        result: its result.
        settings: what it recommends.
        rendered: how many pictures it rendered.
        asked: how many it used.
        from_planted: how much better its pictures are than those with the planted settings.
        from_start: how much better they are than those with the study's.
    """

    result: SettingsResult
    settings: DrawingSettings
    rendered: int
    from_planted: PairedDifference
    from_start: PairedDifference

    @property
    def line(self) -> str:
        """It as a line of text."""
        told = "told from it" if self.from_planted.high < 0 else "not told from it"
        return (
            f"{self.result.mode}: {self.settings}; {self.result.pictures} pictures, {self.rendered} of them rendered; "
            f"from the planted settings {_text(self.from_planted)}, {told}; from the study's {_text(self.from_start)}"
        )


def searched(world: PlantedWorld, folder: Path, *, joint: bool, most: int = PICTURES) -> Answer:
    """Run a search for settings, and judge its answer."""
    spec = read_study_file(world.write_study(folder))
    subject = study_subject("the wanted recipe", Candidate(recipe=WANTED))
    asked = asked_values(spec.settings_to_try, here=folder)
    with measuring(spec, Console(quiet=True), name="settings") as opened:
        setup = set_up(opened, subject, asked, judged_shots(spec.shots, most))
        before = opened.drawn
        result = (JointSearch if joint else SettingsSearch)(setup=setup, progress=silent).run()
        rendered = opened.drawn - before
        write_settings_card(setup, result)
    final = result.final
    settings = DrawingSettings(cfg=final.cfg, sampler=final.sampler_name, steps=final.steps)
    pictures = {name: world.features(one, JUDGED, 3001) for name, one in
                {"own": settings, "planted": world.planted, "start": world.trials}.items()}  # fmt: skip
    return Answer(
        result=result,
        settings=settings,
        rendered=rendered,
        from_planted=world.panel.compare(pictures["own"], pictures["planted"]),
        from_start=world.panel.compare(pictures["own"], pictures["start"]),
    )


def brute_force(world: PlantedWorld, pictures: int) -> Iterator[ValueAgainstPlant]:
    """Compare every value of every setting with the planted one, all else as planted."""
    for setting in VALUES:
        yield from world.against_plant(setting, world.planted, pictures, 1001)


def _text(one: PairedDifference) -> str:
    return f"{one.mean:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


@pytest.mark.benchmark
def test_planted_settings_are_found_or_said_not_to_be_told(tmp_path: Path) -> None:
    """The answer is not worse than the study's settings, and what is not told from the best is said."""
    one_thread()
    world = PlantedWorld(tmp_path / "world", PLANTS[0])
    answer = searched(world, tmp_path / "study", joint=False)
    print(answer.line)
    assert answer.from_start.high >= 0
    assert answer.from_planted.mean > -3 * answer.result.margin
    for step in answer.result.steps:
        best = step.best
        assert best is None or step.cannot_be_told or any(value.is_told for value in step.tried)


def main() -> None:
    """Read the command line and measure."""
    reader = argparse.ArgumentParser(description="Measure the search for settings on the sample world.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--brute", type=int, default=0, help="pictures of each value in brute force")
    reader.add_argument("--pictures", type=int, default=PICTURES, help="most pictures of a value by steps")
    reader.add_argument("--joint", action="store_true")
    reader.add_argument("--steps", action="store_true")
    reader.add_argument("--plant", type=int, action="append", choices=range(len(PLANTS)))
    given = reader.parse_args()
    one_thread()
    for number in given.plant or [0]:
        world = PlantedWorld(given.folder / "world", PLANTS[number])
        print(f"planted: {world.planted}; the study: {world.trials}", flush=True)
        for one in brute_force(world, given.brute) if given.brute else ():
            print(f"  {one.setting} {one.value}: {_text(one.difference)}", flush=True)
        modes = [False] * given.steps + [True] * given.joint
        for joint in modes:
            answer = searched(world, given.folder / f"study-{number}", joint=joint, most=given.pictures)
            print(answer.line, *answer.result.sentences, *answer.result.notes, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
