"""`recipe-search scorers`: which encoders and scorers there are, fetching their files, and verifying them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import told_plainly
from studies.progress import console
from studies.studyfile.schema import DEFAULT_ENCODER, SCORERS_FOLDER

if TYPE_CHECKING:
    from scorers.catalogue.published import PublishedFile
    from scorers.catalogue.sources import Sources

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help=f"Folder of the files; default: that of the study, or {SCORERS_FOLDER}.",
)


@click.group()
def scorers() -> None:
    """Encoders and scorers: list what is known, get their files, check those that are there."""


@scorers.command("list")
@folder_option
@told_plainly
def list_(folder: Path | None) -> None:
    """List every known scorer and encoder: what it is, its files and licences, and whether they are there."""
    from studies.cli.scorer_tables import encoder_table, scorer_table

    place = folder or Path(SCORERS_FOLDER)
    out = console()
    for table in (scorer_table(place), encoder_table(place)):
        out.print(table, highlight=False, markup=False)
    out.print(f"files are looked for in {place}; get some: recipe-search scorers get NAME", highlight=False)


@scorers.command()
@click.argument("names", nargs=-1, required=True)
@folder_option
@told_plainly
def get(names: tuple[str, ...], folder: Path | None) -> None:
    """Download the files that scorers or encoders need and that are not there yet; says licence and size first.

    NAMES are those of `recipe-search scorers list`, such as laion, rating@openclip-h or csd.
    """
    from scorers.catalogue.downloads import download
    from studies.progress import bytes_meter

    place = folder or Path(SCORERS_FOLDER)
    wanted = _wanted(names, place)
    out = console()
    for file in wanted:
        out.print(_announced(file), highlight=False, markup=False)
    for file in wanted:
        with bytes_meter(file.name, out) as progress:
            sha256 = download(file, place, progress)
        checked = "as published" if len(file.sha256) == len(sha256) else f"SHA-256 {sha256}, not known in full here"
        out.print(f"{place / file.name}: {checked}", highlight=False, markup=False)
    if not wanted:
        out.print(f"everything is in {place} already", highlight=False, markup=False)


def _announced(file: PublishedFile) -> str:
    from studies.preflight.estimate import size_text

    return f"{file.name}: {size_text(file.size)}, licence {file.licence}, from {file.source}"


def _wanted(names: Iterable[str], folder: Path) -> list[PublishedFile]:
    """The first choice for every file that is missing, each once; an encoder's name stands for its own file."""
    from scorers.catalogue import lookup as catalogue
    from scorers.catalogue.sources import FileFinder
    from scorers.errors import ScorerError
    from studies.errors import StudyError

    shelf = FileFinder(DEFAULT_ENCODER, {}, folder, {})
    found: dict[str, PublishedFile] = {}
    wrong: list[str] = []
    for name in names:
        encoder = catalogue.encoder_named(name)
        try:
            sources = shelf.sources([], [encoder.name]) if encoder else shelf.sources([name])
        except ScorerError as error:
            wrong.append(str(error))
            continue
        found |= {missing.files[0].name: missing.files[0] for missing in sources.missing}
    if wrong:
        raise StudyError("\n".join(wrong))
    return list(found.values())


@scorers.command()
@click.argument("study", type=click.Path(path_type=Path), required=False)
@folder_option
@told_plainly
def check(study: Path | None, folder: Path | None) -> None:
    """Open and verify the files of a STUDY, or all known files of a folder: hash, architecture, fingerprint."""
    from scorers.panel.verify import verified

    if study is not None and folder is not None:
        raise click.UsageError("give a study or --folder, not both")
    sources = _of_study(study) if study is not None else _of_folder(folder or Path(SCORERS_FOLDER))
    bad = [missing.text for missing in sources.missing]
    for text in bad:
        click.echo(f"error: {text}")
    for one in verified(sources):
        if one.problem:
            bad.append(one.problem)
            click.echo(f"error: {one.name}: {one.problem}")
        else:
            click.echo(f"ok: {one.name}: {one.path}: {one.identity}" + (f"; {one.remark}" if one.remark else ""))
    if not (sources.encoders or sources.heads or bad):
        click.echo("there is no file to check")
    if bad:
        raise click.exceptions.Exit(1)


def _of_study(study: Path) -> Sources:
    from scorers.panel.registry import load_plugins, sources_of
    from studies.studyfile.read import read_study_file

    settings = read_study_file(study / "study.toml" if study.is_dir() else study).panel_settings()
    plugged = load_plugins(settings.weights, settings.here)
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
