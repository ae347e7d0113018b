"""The gate: what a pair has to show before it is packed, measured on its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from engine.files import write_text
from engine.recipes.recipe import Recipe
from search.space.build import DEFAULT_GROUPS, SELF_BOUNDS
from studies.drawing.sheets import as_bytes
from studies.sample.shipping.judging import DEMO, Judge, adjusted, by_blocks, multiplied
from studies.sample.training.axes import PairPlan
from studies.sample.training.subjects import recognised

GROUP_SHIFT, BASE_SHIFT = 2.0, 1.0
"""Least d' of a group of blocks moved from A to B, and of BASE."""
LEAD = 4.0
"""Least lead of the wanted look over the best FLAT, in standard errors."""
RECOGNISED = 0.85
"""Least share of pictures in which the wanted subject is recognised."""
ROUND_TRIP = 0.03
"""Largest mean absolute difference of drawings after the VAE, of the range 0..1."""
FLATS = tuple(ratio / 10 for ratio in range(11))
"""The FLATs that the wanted look has to lead."""
SITES: tuple[str, ...] = tuple(DEMO["space"]["self"]["sites"])
"""The demo's Self sites, which it searches from end to end of ``SELF_BOUNDS``."""
FIELDS: dict[str, tuple[float, float]] = DEMO["space"]["adjust"]
"""The demo's Adjust fields and the ends of their ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One thing that a pair has to show."""

    what: str
    measured: float
    wanted: float
    at_most: bool = False
    """Whether ``wanted`` is the largest value allowed; else the least."""

    @property
    def passed(self) -> bool:
        """Whether the pair shows it."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def measure(judge: Judge, plan: PairPlan, classifier: nn.Module, *, round_trip_error: float) -> tuple[GateRow, ...]:
    """Measure everything, in the order of the table."""
    return (
        *_groups(judge),
        *_sites_and_fields(judge),
        _lead(judge, plan),
        *_recognised(judge, classifier),
        GateRow(what="round trip through the VAE", measured=round_trip_error, wanted=ROUND_TRIP, at_most=True),
    )


def _groups(judge: Judge) -> Iterator[GateRow]:
    for name, blocks in DEFAULT_GROUPS.items():
        shift = judge.shift(Recipe.flat(0.0), by_blocks(dict.fromkeys(blocks, 1.0)))
        yield GateRow(what=f"d' of {name}", measured=shift, wanted=GROUP_SHIFT)
    shift = judge.shift(Recipe.flat(0.0), by_blocks({"BASE": 1.0}))
    yield GateRow(what="d' of BASE", measured=shift, wanted=BASE_SHIFT)


def _sites_and_fields(judge: Judge) -> Iterator[GateRow]:
    middle = Recipe.flat(0.5)
    for site in SITES:
        low, high = SELF_BOUNDS
        shift = judge.shift(*(multiplied(middle, site, factor) for factor in SELF_BOUNDS))
        yield GateRow(what=f"d' of {site}, {low:g} to {high:g}", measured=shift, wanted=GROUP_SHIFT)
    for field, (low, high) in FIELDS.items():
        shift = judge.shift(*(adjusted(middle, field, value) for value in (low, high)))
        yield GateRow(what=f"d' of {field}, {low:g} to {high:g}", measured=shift, wanted=GROUP_SHIFT)


def _lead(judge: Judge, plan: PairPlan) -> GateRow:
    """Compare the wanted look with the FLAT that scores best on the same held-out pictures, which favours the FLAT."""
    held_out = judge.shots.held_out
    wanted = judge.features(by_blocks(plan.plant()), held_out)
    flats = {ratio: judge.features(Recipe.flat(ratio), held_out) for ratio in FLATS}
    best = max(flats, key=lambda ratio: judge.panel.judge(flats[ratio]).value or float("-inf"))
    lead = judge.panel.compare(wanted, flats[best])
    return GateRow(
        what=f"lead of the wanted look over FLAT {best:g}, in standard errors",
        measured=lead.mean / lead.standard_error,
        wanted=LEAD,
    )


def _recognised(judge: Judge, classifier: nn.Module) -> Iterator[GateRow]:
    for name, recipe in (("A", Recipe.flat(0.0)), ("B", Recipe.flat(1.0, base=1.0)), ("FLAT 0.5", Recipe.flat(0.5))):
        pictures = as_bytes(judge.pictures(recipe, judge.shots.recognised))
        seen = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures])
        share = recognised(classifier, seen, [*judge.shots.subjects])
        yield GateRow(what=f"subjects recognised in pictures of {name}", measured=share, wanted=RECOGNISED)


def gate_table(rows: tuple[GateRow, ...]) -> str:
    """Return the table in Markdown."""
    lines = ["| | measured | wanted | |", "|---|---|---|---|"]
    for row in rows:
        limit = f"{'at most' if row.at_most else 'at least'} {row.wanted:g}"
        lines.append(f"| {row.what} | {row.measured:.2f} | {limit} | {'yes' if row.passed else '**no**'} |")
    return "\n".join(lines) + "\n"


def with_table(text: str, table: str) -> str:
    """Return a document with the table between its two marks, ``<!-- gate -->`` and ``<!-- /gate -->``."""
    before, rest = text.split("<!-- gate -->\n", 1)
    _, after = rest.split("<!-- /gate -->", 1)
    return f"{before}<!-- gate -->\n{table}<!-- /gate -->{after}"


def keep_gate(rows: tuple[GateRow, ...], folder: Path) -> None:
    """Write the rows as ``gate.json`` and ``gate.md``."""
    write_text(
        folder / "gate.json", json.dumps([asdict(row) | {"passed": row.passed} for row in rows], indent=1) + "\n"
    )
    write_text(folder / "gate.md", gate_table(rows))
