"""Writes the report of a study: HTML with everything inside, and a summary in Markdown beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from engine.files import read_text, write_text
from studies.errors import StudyError
from studies.pages.reading.reader import StudyReader
from studies.pages.report.contents import ReportContents, ReportTrial, gathered, shown_trials
from studies.pages.report.embedding import PictureShelf
from studies.pages.templating import template

HTML, MARKDOWN = "report.html", "report.md"
"""Names of the files."""
MOST_BYTES = 10_000_000
"""The most that the HTML file holds."""
FOR_THE_REST = 1_000_000
"""Of these, what finalists and references leave to text and charts."""
QUICK_S = 6.0
"""Seconds that pictures may take where there is little time."""
STYLES = ("pages.css", "measured.css", "report.css")
"""Of the folder `static`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What was written."""

    html: Path
    markdown: Path
    shown: int
    """Trials with pictures."""
    left_out: int
    """Trials with a score that are counted only."""


def write_report(file: Path, folder: Path | None = None, *, language: str = "en", quick: bool = False) -> ReportFiles:
    """Write the report of a study as it is now; both files appear whole or not at all.

    Args:
        file: the study file.
        folder: where to; None: the study's own folder.
        language: one of ``studies.pages.languages.LANGUAGES``.
        quick: whether to spend little time: fewer trials in the model, and pictures for some seconds only.

    Raises:
        StudyError: the study file or the journal cannot be read, nothing was tried yet, or the folder is not there.
        OSError: the files cannot be written.
    """
    study = StudyReader(file).read()
    if not study.trials:
        raise StudyError(
            "nothing was tried yet, so there is nothing to report",
            place=(file,),
            remedy=f"recipe-search run {file.name}",
        )
    into = folder or study.spec.storage.folder
    if not into.is_dir():
        raise StudyError("there is no such folder", place=(into,), remedy="make it first")
    seconds = {"seconds": QUICK_S} if quick else {}
    contents = gathered(study, PictureShelf(study, room=MOST_BYTES - FOR_THE_REST, **seconds), quick=quick)
    empty = len(_html(contents, (), language).encode())
    trials = shown_trials(study, PictureShelf(study, room=MOST_BYTES - empty, **seconds))
    while len((text := _html(contents, trials, language)).encode()) > MOST_BYTES and trials:
        trials = trials[: len(trials) * 9 // 10]
    files = ReportFiles(
        html=into / HTML,
        markdown=into / MARKDOWN,
        shown=len(trials),
        left_out=len(study.scored) - len(trials),
    )
    write_text(files.html, text)
    write_text(files.markdown, _markdown(contents, language))
    return files


def _html(contents: ReportContents, trials: tuple[ReportTrial, ...], language: str) -> str:
    return _rendered("report.html", contents, language, trials=trials, style=_style())


def _markdown(contents: ReportContents, language: str) -> str:
    return _rendered("report.md", contents, language)


def _rendered(name: str, contents: ReportContents, language: str, **values: object) -> str:
    study = contents.study
    return template(language, name).render(report=contents, study=study, outcome=study.outcome, **values)


def _style() -> Markup:
    """The style of the pages and the report's own."""
    folder = Path(__file__).parents[1] / "static"
    return Markup("\n".join(read_text(folder / name, StudyError) for name in STYLES))  # noqa: S704 - our own
