"""`recipe-search report`: one HTML file that needs nothing else, and a summary in Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from studies.cli.command import OurCommand, opened, plain_errors, study_argument


@click.command(cls=OurCommand)
@study_argument
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder; default: the study's own.")
@click.option("--lang", type=click.Choice(["en", "ja"]), default="en", show_default=True, help="Language.")
@click.option("--quick", is_flag=True, hidden=True, help="Spend some seconds only, as at the end of a stopped night.")
@plain_errors
def report(study: Path, out: Path | None, lang: str, quick: bool) -> None:
    """Write a report with all pictures inside, as far as the search is: report.html, and report.md for notes."""
    from studies.cli.nights.night_report import refuse_without_web

    refuse_without_web(study)
    from studies.pages.report.write import write_report

    files = write_report(opened(study).storage.file, out, language=lang, quick=quick)
    click.echo(f"wrote {files.html} and {files.markdown.name}")
    if files.left_out:
        click.echo(f"{files.left_out} trials are counted there without their pictures")
