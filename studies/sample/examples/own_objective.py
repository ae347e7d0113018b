"""A search over an objective of one's own: no pictures, no torch.

Run it with ``python -m studies.sample.examples.own_objective``. The objective may be anything that gives a number for
a recipe; more is better.
"""

from __future__ import annotations

from search import Plan, Suggester, Told, build_space

HIDDEN = {"IN04": 0.8, "OUT05": 0.1, "OUT08": 0.6}
"""Ratios that the search is to find; those of all other blocks do not matter."""


def objective(point: dict[str, float]) -> float:
    """Return how near a point is to the hidden ratios: 0 at best."""
    return -sum((point[block] - ratio) ** 2 for block, ratio in HIDDEN.items())


def main() -> None:
    """Try what the suggester says until it has nothing left to say."""
    space = build_space()
    suggester = Suggester(space=space, plan=Plan(groups=8, blocks=30, refine=10), seed=1)
    history: list[Told] = []
    while (proposal := suggester.next(history)) is not None:
        point = dict(proposal.point)
        history.append(
            Told(number=len(history), stage=proposal.stage, point=point, value=objective(point))
        )
    print(*suggester.statuses(history), sep="\n")
    best = max(history, key=lambda trial: trial.value or 0.0)
    print(f"best of {len(history)} trials: number {best.number} of stage {best.stage}, objective {best.value:.4f}")
    found = suggester.recommended(history)
    for block, ratio in HIDDEN.items():
        print(f"    {block}: {found[block]:.2f} found, {ratio:.2f} hidden")
    print("The recipe, for recipe-search merge:", space.decode(found).text, sep="\n")


if __name__ == "__main__":
    main()
