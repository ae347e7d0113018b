"""Known scorers and encoders for the terminal: a name on the left, lines beside it; licences and files are long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from scorers.catalogue.lookup import ENCODERS, SCORERS
from scorers.catalogue.published import Files, KnownScorer
from scorers.catalogue.sources import FileFinder
from studies.amounts import size_text


def scorer_table(folder: Path) -> Table:
    """Every scorer: what it rates, its numbers, and a line for each encoder that a head of it was trained on."""
    table = _table("scorers")
    shelf = FileFinder("", {}, folder, {})
    for scorer in SCORERS:
        lines = [scorer.rates, f"numbers: {scorer.scale}", *_ways(scorer, folder, shelf)]
        table.add_row(_names(scorer.name, scorer.aliases), "\n".join(lines))
    return table


def _ways(scorer: KnownScorer, folder: Path, shelf: FileFinder) -> Iterator[str]:
    """The encoders that it can read, with the files that each way needs."""
    if not scorer.default_encoder:
        yield "from pixels; needs no file" if scorer.kind == "statistics" else "through the study's encoder"
        return
    for encoder, files in scorer.heads.items() or [(scorer.encoder, ())]:
        name = "" if encoder == scorer.default_encoder else f", as {scorer.name}@{encoder}"
        has = "there" if shelf.has(encoder) else "missing"
        yield f"through {encoder} ({has}){name}" + (f": {_file(files, folder)}" if files else "")


def encoder_table(folder: Path) -> Table:
    """Every encoder, and its file."""
    table = _table("encoders")
    for encoder in ENCODERS:
        table.add_row(_names(encoder.name, encoder.aliases), f"{encoder.title}\n{_file(encoder.files, folder)}")
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _names(name: str, aliases: tuple[str, ...]) -> str:
    return "\n".join([name, *(f"or {alias}" for alias in aliases)])


def _file(files: Files, folder: Path) -> str:
    """Name, size and licence of the file that is fetched, and which one is there."""
    found = [file.name for file in files if (folder / file.name).is_file()]
    there = "missing" if not found else "there" if found[0] == files[0].name else f"there, as {found[0]}"
    return f"{files[0].name}, {size_text(files[0].size)}, {files[0].licence}; {there}"
