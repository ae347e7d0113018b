"""Whether a probe finds what brute force with ten times its pictures finds, and whether its errors are right.

By hand: ``python -m tests.benchmarks.after_recipe.bench_probe FOLDER [--rounds N]``. FOLDER keeps all pictures: those
of the probe in the study's own store, those of brute force as ``brute_force.py`` makes them. Printed are, for every
measure:

- Spearman's rank correlation of the sizes of the block ratios' effects, of both methods, with brute force;
- how well each ranks the blocks that hold the axis of look which the measure shows (``studies.sample.training.axes``),
  as the chance that such a block comes before another one (the area under the curve; 0.5 is chance);
- of sets of as many shots as the probe has, out of brute force: how often their 95 % intervals hold the mean of all
  other shots, and how large their errors are against the scatter that is seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from scipy.stats import rankdata, t

from engine.recipes.recipe import Recipe
from studies.after_recipe.measuring.opened import Measuring, measuring
from studies.after_recipe.probe.designs.plan import ProbeOptions, planned_probe
from studies.after_recipe.probe.measure import probe
from studies.after_recipe.probe.picture_measures import MEASURES, layout, mean_colour, statistic_measures
from studies.after_recipe.probe.rendering import ProbeRenders
from studies.results.probe import ProbeMethod, ProbeResult, write_probe
from studies.sample.training.axes import MAIN
from tests.benchmarks.after_recipe.brute_force import BruteForce, KnobEnds, Pixels, every_recipe, knob_ends

Numbers = npt.NDArray[np.float64]
AXES: Mapping[str, str] = {"brightness": "light", "detail": "line", "composition": "composition"}
"""The measures that show an axis of look of the sample world, with its name."""
SHOTS = 8
"""Shots of the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BruteEffects:
    """Effects from low to high by shot, ``(shots,)``, by knob and measure."""

    by_shot: Mapping[tuple[str, str], Numbers]

    def size(self, knob: str, measure: str) -> float:
        """Return the size of the mean effect."""
        return abs(float(self.by_shot[knob, measure].mean()))


def measured_pictures(
    renders: ProbeRenders, pictures: Pixels, prompts: Sequence[str], seeds: Sequence[int]
) -> dict[str, Numbers]:
    """Return the measures with a sign of pictures, ``(shots,)`` by name."""
    panel = renders.measuring.panel
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    features = panel.features(images, prompts, seeds)
    return {**renders._judged(features), **statistic_measures(features.statistics)}  # pyright: ignore[reportPrivateUsage]


def distances(one: Pixels, other: Pixels) -> dict[str, Numbers]:
    """Return the distances between pictures of the same shots, ``(shots,)`` by name."""
    apart = one.astype(np.float64) - other
    colours, layouts = (
        np.array([of(a) - of(b) for a, b in zip(one, other, strict=True)]) for of in (mean_colour, layout)
    )
    return {
        "pixels": np.sqrt(np.square(apart).mean((1, 2, 3))),
        "colour": np.linalg.norm(colours, axis=1),
        "composition": np.sqrt(np.square(layouts).mean(1)),
    }


def brute_effects(kept: BruteForce, renders: ProbeRenders, ends: Sequence[KnobEnds], rounds: int) -> BruteEffects:
    """Measure every knob at both ends on all shots."""
    shots = kept.all_shots(rounds)
    prompts, seeds = [shot.prompt for shot in shots], [shot.seed for shot in shots]
    signed: dict[Recipe, dict[str, Numbers]] = {}
    found: dict[tuple[str, str], Numbers] = {}
    for one in ends:
        low, high = (kept.all_pictures(recipe, rounds) for recipe in (one.low, one.high))
        for recipe, pictures in ((one.low, low), (one.high, high)):
            if recipe not in signed:
                signed[recipe] = measured_pictures(renders, pictures, prompts, seeds)
        found |= {(one.name, name): value - signed[one.low][name] for name, value in signed[one.high].items()}
        found |= {(one.name, name): value for name, value in distances(low, high).items()}
    return BruteEffects(by_shot=found)


def probed(kept: BruteForce, console: Console) -> tuple[ProbeResult, ProbeRenders, Measuring]:
    """Run the probe of the study, or read what is kept of it."""
    with measuring(kept.spec, console, name="probe") as opened:
        result, renders = probe(opened, planned_probe(kept.spec, ProbeOptions(shots=SHOTS)), console)
    write_probe(kept.spec.storage.folder, result)
    return result, renders, opened


def area(scores: Numbers, is_one: npt.NDArray[np.bool_]) -> float:
    """Return the chance that one of some has a higher score than one of the others; ties count half."""
    ranks, count = rankdata(scores), int(is_one.sum())
    return float((ranks[is_one].sum() - count * (count + 1) / 2) / (count * (~is_one).sum()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How the errors of small sets of shots compare with what is seen.

    Attributes:
        held: share of the 95 % intervals that hold the mean of the other shots.
        ratio: stated standard error over the scatter that is seen, root mean squares of both.
    """

    held: float
    ratio: float


def coverage(by_shot: Sequence[Numbers], size: int, seed: int = 1) -> Coverage:
    """Compare sets of shots with all other shots.

    Args:
        by_shot: effects of one measure by knob, ``(shots,)`` each.
        size: shots of a set.
        seed: of the order in which shots are put into sets.
    """
    order = np.random.default_rng(seed).permutation(len(by_shot[0]))
    held: list[bool] = []
    stated: list[float] = []
    seen: list[float] = []
    for values in by_shot:
        for places in order[: len(order) // size * size].reshape(-1, size):
            others = np.delete(values, places)
            error = values[places].std(ddof=1) / np.sqrt(size)
            rest = others.std(ddof=1) / np.sqrt(len(others))
            apart = values[places].mean() - others.mean()
            held.append(abs(apart) <= t.ppf(0.975, size - 1) * np.hypot(error, rest))
            stated.append(error**2 + rest**2)
            seen.append(apart**2)
    return Coverage(held=float(np.mean(held)), ratio=float(np.sqrt(np.mean(stated) / np.mean(seen))))


def rank_correlations(result: ProbeResult, brute: BruteEffects, measure: str) -> dict[ProbeMethod, float]:
    """Return Spearman's correlation of each method's sizes of the block ratios' effects with those of brute force."""
    blocks = [knob.name for knob in result.knobs if knob.kind == "block"]
    truth = [brute.size(block, measure) for block in blocks]
    found: dict[ProbeMethod, float] = {}
    for method in result.methods:
        mine = rankdata(sizes(result, blocks, measure, method))
        found[method] = float(np.corrcoef(mine, rankdata(truth))[0, 1])
    return found


def sizes(result: ProbeResult, knobs: Sequence[str], measure: str, method: ProbeMethod) -> Numbers:
    """Return the sizes of a method's effects."""
    effects = [result.effect(knob, measure, method) for knob in knobs]
    return np.array([abs(one.effect or 0.0) if one else 0.0 for one in effects])


def wrong_signs(result: ProbeResult, brute: BruteEffects, method: ProbeMethod) -> tuple[int, int]:
    """Return how many effects with a sign are told from noise, and how many of them brute force has the other way."""
    signed = {column.name for column in result.columns if column.signed}
    clear = [one for one in result.effects if one.method == method and one.clear and one.column in signed]
    wrong = [one for one in clear if (one.effect or 0.0) * brute.by_shot[one.knob, one.column].mean() < 0]
    return len(clear), len(wrong)


def report(result: ProbeResult, brute: BruteEffects) -> list[str]:
    """Return the rows of the table, and what clear effects are worth."""
    blocks = [knob.name for knob in result.knobs if knob.kind == "block"]
    lines = ["| measure | " + " | ".join(f"{method}: rho" for method in result.methods) + " | axis, area: "
             + ", ".join((*result.methods, "brute force")) + " | intervals that hold | stated over seen |"]  # fmt: skip
    for measure in (one.name for one in MEASURES if (blocks[0], one.name) in brute.by_shot):
        rho = rank_correlations(result, brute, measure)
        cells = [f"{rho[method]:.2f}" for method in result.methods]
        cover = coverage([brute.by_shot[knob.name, measure] for knob in result.knobs], SHOTS)
        lines.append(
            f"| {measure} | {' | '.join(cells)} | {_areas(result, brute, blocks, measure)} | "
            f"{100 * cover.held:.0f} % | {cover.ratio:.2f} |"
        )
    for method in result.methods:
        clear, wrong = wrong_signs(result, brute, method)
        lines.append(f"{method}: {clear} effects with a sign are told from noise, {wrong} of them have the wrong one")
    runs = ", ".join(f"{run.method} {run.pictures}" for run in result.runs)
    return [
        *lines,
        f"pictures: {runs}; brute force {2 * len(result.knobs)} x {len(brute.by_shot[blocks[0], 'pixels'])}",
    ]


def _areas(result: ProbeResult, brute: BruteEffects, blocks: Sequence[str], measure: str) -> str:
    if measure not in AXES:
        return ""
    held = {block for share in MAIN.shares if share.axis == AXES[measure] for block in share.blocks}
    is_one = np.array([block in held for block in blocks])
    found = [area(sizes(result, blocks, measure, method), is_one) for method in result.methods]
    found.append(area(np.array([brute.size(block, measure) for block in blocks]), is_one))
    return f"{AXES[measure]}: " + ", ".join(f"{one:.2f}" for one in found)


def main() -> None:
    """Render what is lacking, and print the table."""
    reader = argparse.ArgumentParser(description="Compare a probe with brute force.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--rounds", type=int, default=5)
    given = reader.parse_args()
    torch.set_num_threads(1)
    kept, ends = BruteForce(given.folder), knob_ends()
    for number in range(given.rounds):
        for recipe in every_recipe(ends).values():
            kept.pictures(recipe, number)
    result, renders, _ = probed(kept, Console())
    print("\n".join(report(result, brute_effects(kept, renders, ends, given.rounds))))


if __name__ == "__main__":
    main()
