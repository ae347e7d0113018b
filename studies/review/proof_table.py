"""The result of a proof as tables for a terminal of 60 characters and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from studies.store.judged.outcome import MIDDLE, REPORTED, Comparison, Outcome, Standing


def standings(outcome: Outcome, *, details: bool = False) -> Group:
    """Parents, FLAT mixes and finalists on the held-out shots; with ``details`` also the numbers only reported."""
    names = [name for name in REPORTED if any(name in standing.numbers for standing in outcome.finalists)]
    marks = _marks(outcome)
    scores = _proof_table("proof: leads on held-out prompts and seeds", [f"from\n{MIDDLE}"])
    compared = any(finalist.comparisons for finalist in outcome.finalists)
    if compared:
        scores.add_column("\nover", no_wrap=True)
        scores.add_column("\nlead", justify="right", no_wrap=True)
        scores.add_column(f"{outcome.level}\ninterval", no_wrap=True)
    reports = _proof_table("distance of whole sets from the references, and drift; never searched", names)
    for whose, standing in _rows(outcome):
        middle = outcome.from_middle(standing)
        value = "broken" if standing.value is None else "" if middle is None else f"{middle:+.2f}"
        # One row a recipe and one line a rival: beside each other, the rivals of a proof need over 100 characters.
        scores.add_row(*whose, value, *(_leads(standing.comparisons, marks) if compared else ()))
        numbers = (standing.numbers.get(name) for name in names)
        reports.add_row(*whose, *("" if one is None else f"{one:.2f}" for one in numbers))
    notes = [f"{mark} {level} interval: one of the two was given up early" for level, mark in marks.items()]
    return Group(scores, *notes, *([reports] if names and details else []))


def _rows(outcome: Outcome) -> Iterator[tuple[tuple[str, str], Standing]]:
    """Number and name of every recipe; only finalists have a number."""
    for standing in outcome.baselines:
        yield ("", standing.label), standing
    for number, standing in enumerate(outcome.finalists, start=1):
        yield (str(number), standing.label + (f", VAE {standing.vae}" if standing.vae else "")), standing


def _marks(outcome: Outcome) -> dict[str, str]:
    """A mark for each level that single intervals have instead of the outcome's."""
    every = (one.level("") for finalist in outcome.finalists for one in finalist.comparisons)
    return {level: "*" * number for number, level in enumerate(sorted(filter(None, {*every})), start=1)}


def _leads(leads: Sequence[Comparison], marks: dict[str, str]) -> tuple[str, str, str]:
    """Rivals, leads and intervals, a line each."""
    intervals = (f"{one.low:+.2f} to {one.high:+.2f} {marks.get(one.level(''), '')}".rstrip() for one in leads)
    return (
        "\n".join(one.against for one in leads),
        "\n".join(f"{one.mean:+.2f}" for one in leads),
        "\n".join(intervals),
    )


def _proof_table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("", justify="right")
    table.add_column("recipe")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
