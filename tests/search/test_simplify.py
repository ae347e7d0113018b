"""Simpler recipes: in which order they come, and that only those stay that are kept."""

from __future__ import annotations

import random
from collections.abc import Callable

from search.simplify import Simpler, complexity, simpler
from search.space.build import build_space
from search.space.frame import RecipeFrame

SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), bounds={"OUT05": (0.1, 0.6)})


def a_point() -> dict[str, float]:
    rng = random.Random(1)
    return {knob.name: knob.tidy(knob.value(rng.random())) for knob in SPACE.free}


def simplified(accepts: Callable[[Simpler], bool]) -> tuple[dict[str, float], list[str]]:
    """What is left of a recipe where candidates are kept by a rule, and the labels of all candidates."""
    candidates, labels = simpler(SPACE, a_point()), list[str]()
    try:
        candidate = next(candidates)
        while True:
            labels.append(candidate.label)
            SPACE.checked(candidate.point)
            candidate = candidates.send(accepts(candidate))
    except StopIteration as end:
        return end.value, labels


def test_simpler_recipes_come_in_order_and_only_kept_ones_stay() -> None:
    simplest, labels = simplified(lambda candidate: True)
    assert labels == ["self:OUT05:attn1 neutral", "adjust neutral", "all blocks at one ratio", "ratios to 0.1"]
    assert complexity(SPACE, simplest) <= 4
    same, refused = simplified(lambda candidate: False)
    assert same == a_point()
    assert refused[:4] == [
        "self:OUT05:attn1 neutral",
        "adjust neutral",
        "adjust:BRI neutral",
        "adjust:CONT neutral",
    ]
    assert abs(same["adjust:BRI"]) < abs(same["adjust:CONT"])
    assert {"IN_EARLY at one ratio", "ratios to 0.01", "self to 0.01", "adjust to 0.1"} <= set(refused)
    digits, _ = simplified(lambda candidate: candidate.label in ("ratios to 0.05", "adjust to 0.5"))
    assert all(abs(digits[f"IN{n:02d}"] * 20 - round(digits[f"IN{n:02d}"] * 20)) < 1e-6 for n in range(12))
    assert complexity(SPACE, simplest) < complexity(SPACE, digits) < complexity(SPACE, same)


def test_simpler_ratios_lie_on_the_knobs_own_grid() -> None:
    coarse = build_space(steps={"OUT05": 0.25})
    candidates = simpler(coarse, coarse.flat(0.3) | {"OUT05": 0.25})
    candidate = next(candidates, None)
    seen = 0
    while candidate is not None:
        seen += 1
        assert candidate.point["OUT05"] % 0.25 == 0
        try:
            candidate = candidates.send(False)
        except StopIteration:
            break
    assert seen > 1


def test_second_ratios_are_brought_to_one_ratio_too() -> None:
    three = build_space(frame=RecipeFrame(models=("A", "B", "C"), mode="Triple sum"), seconds=(0, 1))
    point = three.flat(0.3) | {"beta:IN00": 0.2, "beta:IN01": 0.4}
    assert next(simpler(three, point)).label == "beta:IN_EARLY at one ratio"
