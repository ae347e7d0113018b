"""What `recipe-search situations` finds: planted weaknesses of the sample world; whom it accuses.

By hand: ``python -m tests.benchmarks.after_recipe.bench_situations FOLDER [--only NAME]... [--seeds N] [--again]``.
Every subject goes through the command itself, in a study of the sample world with its own suite: seven checkpoints that
each lost a colour or a subject, the wanted look without a weakness, and twenty harmless recipes
(``planted_weaknesses.py``). FOLDER keeps all pictures, and a line for each subject in ``outcomes.jsonl``: what is there
is not done again; with ``--again`` the command says of today what it says of the kept pictures. ``--table`` only prints
the tables.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy.stats import beta

from engine.recipes.file import RecipeFile, recipe_file_text
from studies.cli.main import main as command_line
from studies.results.situations import read_situations
from studies.sample.world import STUDY, SampleWorld, write_world
from tests.benchmarks.plants.planted import one_thread
from tests.studies.after_recipe.situations.planted_weaknesses import PLANTS, harmless_recipes, write_planted

OUTCOMES = "outcomes.jsonl"
FASTER = {
    "width = 128": "width = 112",
    "height = 128": "height = 112",
    "steps = 8": "steps = 6",
    "cfg = 5.0": "cfg = 2.5",
}
"""What the demo's study is changed by: pictures in two thirds of the time that show as much."""
SEEDS = 8
"""Most pictures of a situation: as many as a study has unless its file says another number."""
UNTOUCHED = "wanted"
"""Name of the checkpoint without a weakness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationsOutcome:
    """What the command said of one subject."""

    subject: str
    lost: str
    """Aspect and word that it lost, such as `colours: red`; "" where it is harmless."""
    weak_spots: list[str]
    """Aspect, word and kind of every weak spot, worst first."""
    words_lost: list[str]
    worse: int
    """How many situations were called worse than both parents."""
    pictures: int
    most_pictures: int
    seconds: float
    seeds: int = SEEDS
    """Most pictures of a situation."""

    @property
    def is_found(self) -> bool:
        """Whether the lost word is named as a weak spot."""
        return any(spot.startswith(f"{self.lost}: ") for spot in self.weak_spots)

    @property
    def is_worst(self) -> bool:
        """Whether the lost word is the worst weak spot."""
        return bool(self.weak_spots) and self.weak_spots[0].startswith(f"{self.lost}: ")

    @property
    def others(self) -> list[str]:
        """The weak spots that are not of the lost word."""
        return [spot for spot in self.weak_spots if not self.lost or not spot.startswith(f"{self.lost}: ")]


def write_subjects(folder: Path, only: Sequence[str] = ()) -> tuple[Path, dict[str, tuple[Path, str]]]:
    """Write the world, its study and all subjects, or those of some names.

    Returns:
        The study file; by name, each subject's file and what it lost.
    """
    world = write_world(folder)
    study = folder / "study.toml"
    if not study.exists():
        text = STUDY.read_text(encoding="utf-8")
        for before, after in FASTER.items():
            assert before in text
            text = text.replace(before, after)
        study.write_text(text, encoding="utf-8")
    return study, dict(_subjects(world, folder / "subjects", only))


def _subjects(world: SampleWorld, folder: Path, only: Sequence[str]) -> Iterator[tuple[str, tuple[Path, str]]]:
    models = {"A": world.a, "B": world.b}
    folder.mkdir(exist_ok=True)
    for plant in PLANTS:
        if not only or plant.name in only:
            yield plant.name, (write_planted(models, plant, folder), f"{plant.aspect}: {plant.word}")
    if not only or UNTOUCHED in only:
        yield UNTOUCHED, (write_planted(models, None, folder), "")
    for name, recipe in harmless_recipes().items():
        if not only or name in only:
            path = folder / f"{name}.toml"
            path.write_text(recipe_file_text(RecipeFile(recipe=recipe, models=models), folder), encoding="utf-8")
            yield name, (path, "")


def examined(study: Path, subject: str, file: Path, lost: str, seeds: int) -> SituationsOutcome:
    """Run the command on a subject and return what it said."""
    began = time.perf_counter()
    words = ["situations", str(study), str(file), "--seeds", str(seeds)]
    done = CliRunner().invoke(command_line, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result = read_situations(study.parent / "runs" / "demo")
    return SituationsOutcome(
        subject=subject,
        lost=lost,
        weak_spots=[f"{spot.aspect}: {spot.word}: {spot.kind}" for spot in result.weak_spots],
        words_lost=[one.name for one in result.lost_words],
        worse=sum(one.verdict == "worse" for one in result.situations),
        pictures=result.pictures,
        most_pictures=result.most_pictures,
        seconds=time.perf_counter() - began,
        seeds=seeds,
    )


def known_outcomes(folder: Path, seeds: int) -> dict[str, SituationsOutcome]:
    """Return the outcomes of a folder with so many seeds by the subjects' names; of several, the last."""
    path = folder / OUTCOMES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [SituationsOutcome(**row) for row in map(json.loads, lines)]
    return {one.subject: one for one in found if one.seeds == seeds}


def measure(
    folder: Path, only: Sequence[str] = (), *, seeds: int = SEEDS, again: bool = False
) -> dict[str, SituationsOutcome]:
    """Examine all subjects, or some, that are not known yet; a line for each as it comes."""
    study, subjects = write_subjects(folder, only)
    for name, (file, lost) in subjects.items():
        if name in known_outcomes(folder, seeds) and not again:
            continue
        outcome = examined(study, name, file, lost, seeds)
        with (folder / OUTCOMES).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(outcome)) + "\n")
        print(line_of(outcome), flush=True)
    return known_outcomes(folder, seeds)


def line_of(one: SituationsOutcome) -> str:
    """Return an outcome as a line of text."""
    said = "; ".join(one.weak_spots) or "no weak spot"
    found = f"lost {one.lost}, {'found' if one.is_found else 'NOT FOUND'}" if one.lost else "harmless"
    used = f"{one.pictures} of {one.most_pictures} pictures"
    return f"{one.subject:20s} {found}: {said}; {one.worse} worse than both parents; {used}, {one.seconds:.0f} s"


def tables(outcomes: Mapping[str, SituationsOutcome]) -> Iterator[str]:
    """Return the lines of the tables."""
    lost = [one for one in outcomes.values() if one.lost]
    harmless = [one for one in outcomes.values() if not one.lost and one.subject != UNTOUCHED]
    yield from ("| lost | found | the worst spot | other spots | pictures |", "|---|---|---|---|---|")
    for one in lost:
        words = ("yes" if one.is_found else "**no**", "yes" if one.is_worst else "no", "; ".join(one.others) or "none")
        yield f"| {one.subject} | {' | '.join(words)} | {one.pictures} of {one.most_pictures} |"
    accused = [one for one in harmless if one.weak_spots]
    low, high = interval_of(len(accused), len(harmless))
    yield f"found {sum(one.is_found for one in lost)} of {len(lost)}"
    yield f"harmless recipes accused: {len(accused)} of {len(harmless)} (95 % interval {low:.2f} to {high:.2f})"
    yield from (f"  {line_of(one)}" for one in accused)
    used, most = sum(one.pictures for one in outcomes.values()), sum(one.most_pictures for one in outcomes.values())
    yield f"pictures: {used} of {most}, {used / max(1, most):.0%}"


def interval_of(count: int, number: int) -> tuple[float, float]:
    """Return the interval of a rate that was seen `count` times in `number` (Clopper and Pearson 1934), of 95 %."""
    low = beta.ppf(0.025, count, number - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, number - count) if count < number else 1.0
    return float(low), float(high) if not math.isnan(high) else 1.0


@pytest.mark.benchmark
def test_a_lost_colour_is_found_and_the_untouched_look_is_not_accused(tmp_path: Path) -> None:
    """Two subjects; all of them by hand."""
    one_thread()
    outcomes = measure(tmp_path, [PLANTS[0].name, UNTOUCHED])
    assert outcomes[PLANTS[0].name].is_found
    assert outcomes[UNTOUCHED].weak_spots == []


def main() -> None:
    """Read the command line and measure."""
    reader = argparse.ArgumentParser(description="Examine planted weaknesses and harmless recipes of the sample world.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--only", action="append", default=[], help="name of a subject; can be given again")
    reader.add_argument("--seeds", type=int, default=SEEDS, help="most pictures of a situation")
    reader.add_argument("--again", action="store_true", help="what is known too, from the kept pictures")
    reader.add_argument("--table", action="store_true", help="only print the tables")
    given = reader.parse_args()
    one_thread()
    if given.table:
        outcomes = known_outcomes(given.folder, given.seeds)
    else:
        outcomes = measure(given.folder, given.only, seeds=given.seeds, again=given.again)
    print("\n".join(tables(outcomes)))


if __name__ == "__main__":
    main()
