"""What mattered in a study, in parts for pages and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from search.importance import MOST_TRIALS, Importance, KnobEffect, importance
from search.space.knob import SELF, Knob, KnobKind
from studies.pages.reading.snapshot import Snapshot

MOST_SLICES = 6
"""The most slices that are shown."""
MOST_BARS = 12
"""The most knobs of the bars."""
MOST_ROWS = 32
"""The most rows of a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEffect:
    """A knob's effect with its name for people."""

    name: str
    effect: KnobEffect


@dataclass(frozen=True, kw_only=True)
class WhatMattered:
    """What mattered, in parts for pages. Without slots, so that each part is made once."""

    importance: Importance
    order: tuple[str, ...]
    """The names of the knobs in the order of the space."""
    after: int
    """How many scores it was worked out from."""

    @cached_property
    def effects(self) -> tuple[NamedEffect, ...]:
        """Of all knobs, the largest first."""
        return tuple(NamedEffect(name=knob_name(one.knob), effect=one) for one in self.importance.effects)

    @cached_property
    def sure(self) -> tuple[NamedEffect, ...]:
        """Those that are told from nothing."""
        return tuple(one for one in self.effects if one.effect.is_sure)

    @property
    def bars(self) -> tuple[NamedEffect, ...]:
        """Those that are drawn as bars."""
        return self.effects[:MOST_BARS]

    @cached_property
    def slices(self) -> tuple[NamedEffect, ...]:
        """Those that are drawn as slices: the most important that have no words."""
        return tuple(one for one in self.effects if not one.effect.knob.is_choice)[:MOST_SLICES]

    @cached_property
    def maps(self) -> Mapping[str, tuple[NamedEffect, ...]]:
        """By kind, the knobs of a map, the most important ones in the order of the space."""
        kinds: tuple[KnobKind, ...] = ("block", "second", "self", "adjust")
        kept = {kind: [one for one in self.effects if one.effect.knob.kind == kind][:MOST_ROWS] for kind in kinds}
        return {
            kind: tuple(sorted(own, key=lambda one: self.order.index(one.effect.knob.name)))
            for kind, own in kept.items()
            if own
        }

    @cached_property
    def largest(self) -> float:
        """The largest change of a map."""
        values = (value for one in self.effects for value in one.effect.values if value.is_within)
        return max((abs(value.change) for value in values), default=0.0)


def what_mattered(study: Snapshot, *, most: int = MOST_TRIALS) -> WhatMattered | None:
    """Work out what mattered; None where too few trials have a score, or all have the same.

    Args:
        study: as it is now.
        most: the most trials that the model takes.

    Raises:
        SearchError: a trial is not of the study's space.
    """
    search = study.spec.search
    found = importance(search.space, study.history, search.plan, most=most)
    if found is None:
        return None
    order = tuple(knob.name for knob in search.space.free)
    return WhatMattered(importance=found, order=order, after=len(study.scored))


def knob_name(knob: Knob) -> str:
    """Return a knob's name for people: `OUT05`, `OUT05 beta`, `Self OUT05:attn1`, `Adjust CONT`."""
    match knob.kind:
        case "second":
            return f"{knob.name.partition(':')[2]} beta"
        case "self":
            return f"Self {knob.name.removeprefix(SELF)}"
        case "adjust":
            return f"Adjust {knob.name.partition(':')[2]}"
        case _:
            return knob.name
