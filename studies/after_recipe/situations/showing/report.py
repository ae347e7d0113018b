"""The result of an examination for the terminal: weak spots first, then the overall numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import counted
from studies.results.situations import BETTER, VERDICTS, SituationsResult, situations_folder

if TYPE_CHECKING:
    from rich.table import Table


def weak_spots_table(result: SituationsResult) -> Table:
    """Return the weak spots as a table, worst first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"weak spots of {result.subject.label}"), title_justify="left")
    for name in ("situation", "what is wrong"):
        table.add_column(name)
    for spot in result.weak_spots:
        table.add_row(Text(f"{spot.aspect}: {spot.word}"), Text(spot.sentence))
    return table


def report_lines(result: SituationsResult, folder: Path) -> Iterator[str]:
    """Yield everything else in sentences.

    Args:
        result: of an examination.
        folder: of the study.
    """
    if not result.weak_spots:
        yield f"no weak spot: in no situation is {result.subject.label} behind every parent beyond the noise"
    counts = [(verdict, sum(one.verdict == verdict for one in result.situations)) for verdict in VERDICTS]
    parents = " and ".join(result.parents)
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts)
    yield f"{counted(len(result.situations), 'situation')} against {parents}: {words}"
    weak = {(spot.aspect, spot.word) for spot in result.weak_spots}
    better = [one.name for one in result.situations if one.verdict == BETTER and (one.aspect, one.word) not in weak]
    if better:
        yield f"better than every parent, and no weak spot: {', '.join(better)}"
    for one in result.overall:
        yield f"over all situations: {one} ({result.confidence:.0%} interval)"
    words_told = [one.fidelity for one in result.situations if one.fidelity is not None]
    if words_told:
        own = sum(one.obeyed for one in words_told) / len(words_told)
        others = [
            f"{label} {sum(one.rivals.get(label, 0.0) for one in words_told) / len(words_told):.0%}"
            for label in result.parents
        ]
        yield f"words that pictures show: {own:.0%} ({', '.join(others)})"
    yield from result.remarks
    spared = f" of at most {result.most_pictures:,}" if result.stopped_early else ""
    yield (
        f"{counted(result.pictures, 'picture')}{spared}; the {result.comparisons:,} intervals of single situations "
        f"hold together with {result.confidence:.0%}"
    )
    place = situations_folder(folder, result.key)
    if result.sheet:
        yield f"weak spots: {place / result.sheet}"
    yield f"all situations: {place / result.overview}"
