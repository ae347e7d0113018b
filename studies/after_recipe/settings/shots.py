"""Which prompts and seeds settings are judged on: held-out ones.

The recipe was fitted to the trials' pictures as the study's settings make them, so on these the study's settings would
win by that alone. The proof's prompts and seeds have seen no trial; where they are not enough, the trials' prompts come
with seeds of the last turn through the shots and of turns after it, which no stage of a search comes to.

The pictures of a seed begin with the same noise, which some samplers with few steps bear better than others. On the
sample world, Euler a with 5 steps against DPM++ 2M Karras with 8 comes to +0.1, -3.1 and -1.5 on 16 prompts with one of
three seeds, whose intervals know nothing of other seeds. So no more than two pictures share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import counted
from engine.shots.shot import Shot
from search.racing import race_order
from studies.errors import StudyError
from studies.studyfile.spec import TURNS, StudyShots, seed_in_turn

CHUNK = 8
"""Pictures of a value that are rendered at a time, after which values are compared."""
MOST_PICTURES = 32
"""The most pictures of a value where nobody says otherwise."""
SHARED = 2
"""The most pictures of one seed; further ones get seeds of their own."""
FEWEST_PICTURES = 4
"""The fewest pictures of a value that say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedShots:
    """The shots of every value, with the study's own settings, in the order in which they are rendered.

    Attributes:
        shots: all of them.
        held_out: how many are of the proof; the others come behind them.
        reseeded: how many have another seed than the study gives them.
    """

    shots: tuple[Shot, ...]
    held_out: int
    reseeded: int = 0

    @property
    def ends(self) -> tuple[int, ...]:
        """After how many pictures values are compared, all of them at last."""
        count = len(self.shots)
        ends = list(range(CHUNK, count, CHUNK))
        if ends and count - ends[-1] < FEWEST_PICTURES:
            ends.pop()  # a last chunk of one or two pictures would say little
        return (*ends, count)

    @property
    def chunks(self) -> tuple[tuple[int, int], ...]:
        """First place and end of the shots that are rendered at a time: held-out ones apart, some may be kept."""
        apart = {self.held_out} if 0 < self.held_out < len(self.shots) else set[int]()
        ends = sorted({*self.ends} | apart)
        return tuple(zip((0, *ends[:-1]), ends, strict=True))

    @property
    def text(self) -> str:
        """For people."""
        found = f"{counted(self.held_out, 'held-out picture')} of the proof"
        more = len(self.shots) - self.held_out
        found += f", and {more} of the trials' prompts with seeds that no trial has" if more else ""
        return found + (f"; {self.reseeded} of them with seeds of their own" if self.reseeded else "")


def judged_shots(shots: StudyShots, most: int = MOST_PICTURES) -> JudgedShots:
    """Return the shots that settings are judged on.

    Args:
        shots: of the study.
        most: how many; fewer where the study has not so many and weighs its pictures.

    Raises:
        StudyError: these are fewer than can be compared.
    """
    proof = _in_turns(shots.proof)[:most]
    turns = 1 if shots.has_weights else -(-(most - len(proof)) // len(shots.trials))  # weights know no later seeds
    more = _further(shots, max(turns, 1))
    planned = (*proof, *more[: most - len(proof)])
    judged = planned if shots.has_weights else _with_own_seeds(planned)  # weights are those of a prompt and seed
    reseeded = sum(own != before for own, before in zip(judged, planned, strict=True))
    found = JudgedShots(shots=judged, held_out=len(proof), reseeded=reseeded)
    if len(found.shots) < FEWEST_PICTURES:
        what = f"{counted(len(found.shots), 'picture')} of a value cannot be compared"
        raise StudyError(what, remedy=f"at least {FEWEST_PICTURES} are needed: add prompts or seeds")
    return found


def _further(shots: StudyShots, turns: int) -> tuple[Shot, ...]:
    """The trials' prompts with seeds of the last turn, then of turns that never come."""
    every = len(shots.trials)
    starts = ((TURNS - 1 + turn) * every for turn in range(turns))
    return tuple(shot for start in starts for shot in _in_turns(shots.drawn(range(start, start + every))))


def _with_own_seeds(shots: Sequence[Shot]) -> tuple[Shot, ...]:
    """The shots, of which no more than ``SHARED`` have one seed; the seeds of further ones are of no turn of trials."""
    used, found = Counter[int](), list[Shot]()
    for shot in shots:
        more = used[shot.seed] - SHARED
        used[shot.seed] += 1
        found.append(shot if more < 0 else replace(shot, seed=seed_in_turn(shot.seed, TURNS + more)))
    return tuple(found)


def _in_turns(shots: Sequence[Shot]) -> tuple[Shot, ...]:
    """Prompt by prompt in turns, so that the first ones show most."""
    return tuple(shots[place] for place in race_order([shot.prompt for shot in shots]))
