"""Whole examinations with simulated numbers in place of pictures: looks, stops, verdicts, words.

By hand: ``python -m tests.studies.after_recipe.situations.numbers.simulated_runs RUNS`` prints how often harmless
recipes are accused, and how often a planted loss is found, for several kinds of noise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studies.after_recipe.situations.numbers.measured import SituationNumbers
from studies.after_recipe.situations.numbers.statistics import CONFIDENCE, IntervalLevel, MeanEstimate, estimates
from studies.after_recipe.situations.numbers.verdicts import is_lost, is_open, verdict_of
from studies.after_recipe.situations.rounds import looks
from studies.results.situations import WORSE

SUBJECT, PARENTS, FLAT = "own", ("A", "B"), "FLAT_50"
RIVALS = (*PARENTS, FLAT)
Drawing = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
NOISE: Mapping[str, Drawing] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails (t of 3)": lambda rng, shape: rng.standard_t(3, shape),
    "one in ten five times as wild": lambda rng, shape: (
        rng.standard_normal(shape) * np.where(rng.random(shape) < 0.1, 5, 1)
    ),
    "skewed (exponential)": lambda rng, shape: rng.exponential(1, shape) - 1,
}
"""Noise of single pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """What one examination came to."""

    worse: frozenset[str]
    """Situations that were called worse than all parents."""
    lost: frozenset[str]
    """Situations whose word was called lost."""
    pictures: float
    """Part of all pictures that was drawn."""


def simulated_run(
    rng: np.random.Generator,
    noise: Drawing,
    *,
    situations: int = 30,
    seeds: int = 8,
    loss: float = 0.0,
    word_loss: float = 0.0,
) -> SimulatedRun:
    """Run one examination.

    The recipe draws as well as both parents on the average: the worst case, as a recipe between its parents cannot be
    worse than both. Situations scatter unequally. Situation 0 may lose.

    Args:
        rng: draws.
        noise: of pictures.
        situations: how many.
        seeds: most of a situation.
        loss: of the recipe in situation 0, in standard deviations of a picture.
        word_loss: the same, of the margin of its word.
    """
    scatter = np.sqrt(6 / rng.chisquare(6, situations))[:, None]
    usual = rng.uniform(0.2, 2.0, situations)[:, None]
    keys = [str(number) for number in range(situations)]
    leads, margins = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for label in (SUBJECT, *RIVALS):
        leads[label] = noise(rng, (situations, seeds)) * scatter
        margins[label] = usual + noise(rng, (situations, seeds)) * scatter * 0.5
    leads[SUBJECT][0] -= loss * scatter[0]
    margins[SUBJECT][0] -= word_loss * scatter[0]
    going_on, known, drawn = keys, dict[str, SituationNumbers](), 0
    ends = looks(seeds)
    level = IntervalLevel(confidence=CONFIDENCE, comparisons=situations * len(RIVALS), looks=len(ends))
    counts = dict.fromkeys(keys, 0)
    for end in ends:
        drawn += sum(end - counts[key] for key in going_on)
        counts.update(dict.fromkeys(going_on, end))
        every = _numbers(leads, margins, counts, level)
        known.update({key: every[key] for key in going_on})
        going_on = [key for key in going_on if is_open(every[key], SUBJECT, PARENTS, level, seeds)]
    return SimulatedRun(
        worse=frozenset(key for key, one in known.items() if verdict_of(one, PARENTS) == WORSE),
        lost=frozenset(key for key, one in known.items() if is_lost(one, SUBJECT, PARENTS)),
        pictures=drawn / (situations * seeds),
    )


def _numbers(
    leads: Mapping[str, np.ndarray], margins: Mapping[str, np.ndarray], counts: Mapping[str, int], level: IntervalLevel
) -> dict[str, SituationNumbers]:
    lead, margin = (_differences(rows, counts, level) for rows in (leads, margins))
    return {
        key: SituationNumbers(
            pictures=count,
            leads={rival: lead[rival][key] for rival in RIVALS},
            margins={rival: margin[rival][key] for rival in RIVALS},
            spreads={},
            from_average=None,
            obeyed={label: float((rows[number, :count] > 0).mean()) for label, rows in margins.items()},
            instead="",
            spread={},
            broken={},
            lead_by_slot={},
            match_by_slot={},
        )
        for number, (key, count) in enumerate(counts.items())
    }


def _differences(
    rows: Mapping[str, np.ndarray], counts: Mapping[str, int], level: IntervalLevel
) -> dict[str, dict[str, MeanEstimate]]:
    return {
        rival: estimates(
            {
                key: rows[SUBJECT][number, :count] - rows[rival][number, :count]
                for number, (key, count) in enumerate(counts.items())
            },
            level,
        )
        for rival in RIVALS
    }


def main() -> None:
    """Print the rates."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for name, noise in NOISE.items():
        rng = np.random.default_rng(11)
        harmless = [simulated_run(rng, noise) for _ in range(runs)]
        accused = sum(bool(one.worse or one.lost) for one in harmless)
        print(f"{name}: {accused} of {runs} accused, {np.mean([one.pictures for one in harmless]):.0%} of pictures")
        for seeds in (8, 16):
            for loss in (2.0, 3.0):
                lossy = [simulated_run(rng, noise, seeds=seeds, loss=loss, word_loss=loss) for _ in range(runs // 5)]
                found = [
                    np.mean(["0" in one for one in ones])
                    for ones in ([r.worse for r in lossy], [r.lost for r in lossy])
                ]
                print(f"  {seeds} seeds, loss of {loss:g}: {found[0]:.0%} called worse, {found[1]:.0%} words lost")


if __name__ == "__main__":
    main()
