"""Known scorers and encoders as tables for the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from scorers.catalogue.lookup import ENCODERS, SCORERS
from scorers.catalogue.published import Files, KnownScorer
from scorers.catalogue.sources import FileFinder
from studies.amounts import size_text


def scorer_table(folder: Path) -> Table:
    """One row a scorer; one more for every further encoder that a head of it was trained on."""
    table = _table("scorers", "scorer", "rates", "numbers", "through", "file", "licence", "there")
    shelf = FileFinder("", {}, folder, {})
    for scorer in SCORERS:
        names = "\n".join([scorer.name, *(f"({alias})" for alias in scorer.aliases)])
        rows = [(encoder, files) for encoder, files in scorer.heads.items()] or [(scorer.encoder or _main(scorer), ())]
        for number, (encoder, files) in enumerate(rows):
            there = _there(folder, files) and (not scorer.default_encoder or shelf.has(encoder))
            first = (names, scorer.rates, scorer.scale) if number == 0 else (f"{scorer.name}@{encoder}", "", "")
            table.add_row(*first, encoder, *_file(files), "yes" if there else "no")
    return table


def _main(scorer: KnownScorer) -> str:
    return "" if scorer.kind == "statistics" else "the study's encoder"


def encoder_table(folder: Path) -> Table:
    """One row an encoder."""
    table = _table("encoders", "encoder", "what it is", "file", "licence", "there")
    for encoder in ENCODERS:
        names = "\n".join([encoder.name, *(f"({alias})" for alias in encoder.aliases)])
        found = [file.name for file in encoder.files if (folder / file.name).is_file()]
        table.add_row(names, encoder.title, *_file(encoder.files), found[0] if found else "no")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_lines=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _file(files: Files) -> tuple[str, str]:
    """Name, size and licence of the file that is fetched."""
    if not files:
        return "", ""
    return f"{files[0].name}, {size_text(files[0].size)}", files[0].licence


def _there(folder: Path, files: Files) -> bool:
    return not files or any((folder / file.name).is_file() for file in files)
