"""Pictures in rounds: a few seeds of every situation first, more of those alone whose answer is not clear.

Each round draws the same shots of the same situations for all recipes, one recipe after the other, so that each is
built once a round. The shots of a situation in a round are one set, which is kept as a whole: who was killed loses one
of them, and another recipe of the study finds those of parents and FLAT mixes. Which situations go on follows from the
pictures alone, so a command that was killed comes to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scorers.features import Features
    from studies.after_recipe.situations.shots import SituationShot

FIRST = 4
"""Seeds of every situation before the first look: of fewer, variances and spreads say little."""

RoundPictures = Mapping[str, Mapping[str, "Features"]]
"""Features of what was drawn so far, by recipe and situation."""


def looks(seeds: int) -> tuple[int, ...]:
    """Return after how many seeds of a situation its answer is looked at: 4, 8, 16, ..., and all of them.

    Args:
        seeds: the most of a situation.
    """
    ends = list[int]()
    end = FIRST
    while 3 * end <= 2 * seeds:  # else so few are left that one look may as well do
        ends.append(end)
        end *= 2
    return (*ends, seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest:
    """Some shots of a situation that a recipe is to draw."""

    recipe: str
    situation: str
    shots: tuple[SituationShot, ...]


def draw_rounds(
    recipes: Sequence[str],
    shots: Mapping[str, Sequence[SituationShot]],
    draw: Callable[[PictureRequest], Features],
    open_after: Callable[[int, Sequence[str], RoundPictures], Sequence[str]],
) -> RoundPictures:
    """Draw all that is needed, and return it.

    Args:
        recipes: labels of all recipes.
        shots: of each situation, by its key; of all as many.
        draw: returns the features of the pictures of a request, in the order of its shots.
        open_after: is told the number of a look (0 is the first), which situations took part in its round and all
            pictures so far; returns which of these situations need more. It is asked after the last round too.
    """
    from scorers.features import joined

    ends, start = looks(len(next(iter(shots.values())))), 0
    drawn: dict[str, dict[str, Features]] = {label: {} for label in recipes}
    going_on: Sequence[str] = tuple(shots)
    for look, end in enumerate(ends):
        for label in recipes if going_on else ():
            for key in going_on:
                request = PictureRequest(recipe=label, situation=key, shots=tuple(shots[key][start:end]))
                parts = [*([drawn[label][key]] if start else []), draw(request)]
                drawn[label][key] = joined(parts)
        start = end
        going_on = open_after(look, going_on, drawn) if going_on else ()
    return drawn
