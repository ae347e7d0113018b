"""A search over an objective of your own: no pictures, no torch.

Run it with ``python -m studies.sample.examples.own_objective``. The objective may be anything that gives a number for
a recipe; larger is better. Here it is a made-up one, whose optimum is known.
"""

from __future__ import annotations

from collections.abc import Mapping

from search import SearchPlan, Suggester, TrialRecord, build_space

OPTIMUM = {"IN04": 0.8, "OUT05": 0.1, "OUT08": 0.6}
"""The ratios that the search is to find; those of all other blocks make no difference."""


def objective(point: Mapping[str, float]) -> float:
    """Return minus the squared distance from the optimum: 0 at best."""
    return -sum((point[block] - ratio) ** 2 for block, ratio in OPTIMUM.items())


def main() -> None:
    """Try what the suggester proposes until the search is over."""
    space = build_space()
    suggester = Suggester(space=space, plan=SearchPlan(groups=8, blocks=30, refine=10), seed=1)
    history: list[TrialRecord] = []
    while (proposal := suggester.next(history)) is not None:
        value = objective(proposal.point)
        history.append(TrialRecord(number=len(history), stage=proposal.stage, point=proposal.point, value=value))
    print(*suggester.statuses(history), sep="\n")
    best = max(objective(trial.point) for trial in history)
    print(f"The best of {len(history)} trials has the objective {best:.4f}. What the search recommends:")
    point = suggester.recommended(history)
    for block, ratio in OPTIMUM.items():
        print(f"    {block}: {point[block]:.2f}, and the optimum is {ratio:.2f}")
    print("As a recipe:", space.decode(point).text, sep="\n")


if __name__ == "__main__":
    main()
