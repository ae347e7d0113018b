"""`recipe-search scorers`: which encoders and scorers there are, fetching their files, and verifying them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurGroup, opened, plain_errors
from studies.cli.nights.trust import allowed, trust_option
from studies.studyfile.tables.schema import DEFAULT_ENCODER, SCORERS_FOLDER
from studies.terminal import console

if TYPE_CHECKING:
    from scorers.catalogue.published import PublishedFile
    from scorers.catalogue.sources import Sources

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help=f"Folder of the files; default: that of the study, or {SCORERS_FOLDER}.",
)


@click.group(cls=OurGroup)
def scorers() -> None:
    """Encoders and scorers: list the known ones, download their files, check files."""


@scorers.command("list")
@folder_option
@plain_errors
def list_(folder: Path | None) -> None:
    """List every known scorer and encoder: what it is, its files and licences, and whether you have them."""
    from studies.cli.scorer_tables import encoder_table, scorer_table

    place = folder or Path(SCORERS_FOLDER)
    out = console()
    for table in (scorer_table(place), encoder_table(place)):
        out.print(table, highlight=False, markup=False)
    out.print(f"files are looked for in {place}; get some: recipe-search scorers get NAME", highlight=False)


@scorers.command()
@click.argument("names", nargs=-1, required=True)
@folder_option
@plain_errors
def get(names: tuple[str, ...], folder: Path | None) -> None:
    """Download the files that scorers or encoders need and you do not have; shows licence and size first.

    NAMES are those of `recipe-search scorers list`, such as laion, rating@openclip-h or csd.
    """
    from scorers.catalogue.downloads import download
    from studies.progress import bytes_meter

    place = folder or Path(SCORERS_FOLDER)
    missing_files = _missing_files(names, place)
    out = console()
    for file in missing_files:
        out.print(_file_line(file), highlight=False, markup=False)
    for file in missing_files:
        with bytes_meter(file.name, out) as progress:
            sha256 = download(file, place, progress)
        checked = "as published" if len(file.sha256) == len(sha256) else f"SHA-256 {sha256}, not known in full here"
        out.print(f"{place / file.name}: {checked}", highlight=False, markup=False)
    if not missing_files:
        out.print(f"{place} already has everything", highlight=False, markup=False)


def _file_line(file: PublishedFile) -> str:
    from studies.amounts import size_text

    return f"{file.name}: {size_text(file.size)}, licence {file.licence}, from {file.source}"


def _missing_files(names: Iterable[str], folder: Path) -> list[PublishedFile]:
    """The first choice for every file that is missing, once each; an encoder's name stands for its own file."""
    from engine.errors import Problems
    from scorers.catalogue import lookup as catalogue
    from scorers.catalogue.sources import FileFinder
    from studies.errors import StudyError

    shelf = FileFinder(DEFAULT_ENCODER, {}, folder, {})
    found: dict[str, PublishedFile] = {}
    problems = Problems()
    for name in names:
        encoder = catalogue.encoder_named(name)
        with problems.collecting():
            catalogue.check_name(name)
            sources = shelf.sources([], [encoder.name]) if encoder else shelf.sources([name])
            found |= {missing.files[0].name: missing.files[0] for missing in sources.missing}
    problems.raise_as(StudyError)
    return list(found.values())


@scorers.command()
@click.argument("study", type=click.Path(path_type=Path), required=False)
@folder_option
@trust_option
@plain_errors
def check(study: Path | None, folder: Path | None, *, trust: bool) -> None:
    """Open and verify the files of a STUDY, or all known files of a folder: hash, architecture, fingerprint."""
    from scorers.panel.verify import verified

    if study is not None and folder is not None:
        raise click.UsageError("give a study or --folder, not both")
    sources = _of_study(study, trust=trust) if study is not None else _of_folder(folder or Path(SCORERS_FOLDER))
    problems = [missing.problem for missing in sources.missing]
    for problem in problems:
        click.echo(f"error: {problem}")
    for one in verified(sources):
        problems += one.problems
        for problem in one.problems:
            click.echo(f"error: {one.name}: {problem}")
        if not one.problems:
            click.echo(f"ok: {one.name}: {one.path}: {one.identity}" + (f"; {one.remark}" if one.remark else ""))
    if not (sources.encoders or sources.heads or problems):
        click.echo("no file to check")
    if problems:
        raise click.exceptions.Exit(1)


def _of_study(study: Path, *, trust: bool) -> Sources:
    from scorers.panel.registry import load_plugins, sources_of

    settings = allowed(opened(study), trust=trust).panel_settings()
    plugged = load_plugins(settings.weights, settings)
    return sources_of(settings, [name for name in settings.weights if name not in plugged], plugged.values())


def _of_folder(folder: Path) -> Sources:
    """Whatever a folder has of the known files, whether a scorer has all of its own or not."""
    from scorers.catalogue import lookup as catalogue
    from scorers.catalogue.sources import EncoderFiles, Sources

    there: Mapping[str, Path] = {
        file.name: folder / file.name for _, file in catalogue.published() if (folder / file.name).is_file()
    }
    found = Sources()
    for encoder in catalogue.ENCODERS:
        path = next((there[file.name] for file in encoder.files if file.name in there), None)
        if path is not None:
            found.encoders[encoder.name] = EncoderFiles(config=encoder.name, weights=path)
            found.prompted |= {encoder.name} if encoder.reads_text else set()
    for scorer in catalogue.SCORERS:
        for encoder, files in scorer.heads.items():
            path = next((there[file.name] for file in files if file.name in there), None)
            if path is not None:
                text = f"{scorer.name}@{encoder}"
                found.heads[text] = path
                found.embeddings[text] = f"{encoder}/{scorer.view}" if scorer.view else encoder
    return found
