"""Rounds: the same shots for all recipes, one recipe after the other, more only where the answer is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.shots.shot import Shot
from scorers.features import Features
from studies.after_recipe.situations.rounds import PictureRequest, RoundPictures, draw_rounds, looks
from studies.after_recipe.situations.shots import SituationShot
from tests.scorers.plain_features import features_of


@pytest.mark.parametrize(
    ("seeds", "ends"), [(2, (2,)), (5, (5,)), (6, (4, 6)), (8, (4, 8)), (16, (4, 8, 16)), (20, (4, 8, 20))]
)
def test_looks(seeds: int, ends: tuple[int, ...]) -> None:
    assert looks(seeds) == ends


def shots_of(key: str, seeds: int) -> list[SituationShot]:
    shots = [Shot(prompt=f"a {key} cat", seed=seed) for seed in range(seeds)]
    return [SituationShot(shot=shot, prompts={key: shot.prompt}) for shot in shots]


@dataclass
class Drawing:
    requests: list[PictureRequest] = field(default_factory=list)
    asked: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def draw(self, request: PictureRequest) -> Features:
        self.requests.append(request)
        prompts = tuple(one.shot.prompt for one in request.shots)
        seeds = tuple(one.shot.seed for one in request.shots)
        return features_of(np.ones((len(prompts), 2)), prompts=prompts, seeds=seeds)

    def open_after(self, look: int, going_on: Sequence[str], drawn: RoundPictures) -> Sequence[str]:
        self.asked.append((look, tuple(going_on)))
        assert all(len(drawn[label][key]) == looks(8)[look] for label in drawn for key in going_on)
        return [key for key in going_on if key == "red"]


def test_what_is_open_goes_on_and_a_recipe_draws_all_of_a_round_at_once() -> None:
    drawing = Drawing()
    shots = {key: shots_of(key, 8) for key in ("red", "blue")}
    drawn = draw_rounds(("own", "A"), shots, drawing.draw, drawing.open_after)
    order = [(one.recipe, one.situation, len(one.shots)) for one in drawing.requests]
    first = [("own", "red", 4), ("own", "blue", 4), ("A", "red", 4), ("A", "blue", 4)]
    assert order == [*first, ("own", "red", 4), ("A", "red", 4)]
    assert drawing.asked == [(0, ("red", "blue")), (1, ("red",))]
    assert drawn["own"]["red"].seeds == tuple(range(8))
    assert drawn["A"]["blue"].seeds == tuple(range(4))


def test_where_all_is_clear_nothing_more_is_drawn() -> None:
    drawing = Drawing()
    draw_rounds(("own",), {"blue": shots_of("blue", 8)}, drawing.draw, drawing.open_after)
    assert (len(drawing.requests), drawing.asked) == (1, [(0, ("blue",))])
