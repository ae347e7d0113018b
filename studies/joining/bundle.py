"""What a worker on another machine needs of a study beside its models, in one archive: the study file and small files.

The paths of the study file are rewritten to places within the archive's folder. Files that are small go along; of the
models, and of everything else that is large, the name, the size and the SHA-256 do, by which they are found.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import tomlkit
from tomlkit.items import AbstractTable

from engine.errors import Named, Place, Problem
from engine.files import read_text, readable, replaced
from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes, upscaler_names
from studies.inputs.hashes import hashes_of
from studies.studyfile.crosschecks import path_from
from studies.studyfile.spec import StudySpec

STUDY_FILE, WANTED = "study.toml", "wanted.json"
"""The two files of the archive that are no inputs."""
INPUTS = "inputs"
"""The folder, within the archive, of everything that the study file names."""
SMALL = 32 * 2**20
"""Files of at most so many bytes go along; parents never do."""
MADE = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the archive, so that equal inputs make equal archives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A large file that a worker has to have already, under whatever name."""

    path: str
    """Where the study file looks for it, from the study file's folder."""
    name: str
    bytes: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Bundle:
    """The study file with new paths, and the files that these stand for."""

    spec: StudySpec
    document: tomlkit.TOMLDocument
    small: dict[str, Path] = field(default_factory=dict[str, Path])
    """File by its path in the archive."""
    large: dict[str, Path] = field(default_factory=dict[str, Path])
    """The same for files that do not go along."""

    @classmethod
    def of(cls, spec: StudySpec) -> Bundle:
        """Gather the inputs of a study.

        Raises:
            StudyError: a scorer's program lies outside of the study file's folder.
        """
        bundle = cls(spec=spec, document=tomlkit.parse(read_text(spec.storage.file, StudyError)))
        bundle._add_models()
        bundle._add_shot_files()
        bundle._add_suite()
        bundle._add_beginnings()
        bundle._add_scorers()
        for key in ("folder", "storage", "artifacts", "notify"):  # each machine has its own
            cast("AbstractTable", bundle.document["study"]).pop(key, None)
        return bundle

    def write(self, archive: Path, models: Mapping[str, str]) -> None:
        """Write the archive, whole or not at all.

        Args:
            archive: the file.
            models: SHA-256 of every model file, by letter.

        Raises:
            CheckpointError: a large file cannot be read.
            OSError: the archive cannot be written.
        """
        paths = {f"{INPUTS}/models/{letter}/{path.name}": models[letter] for letter, path in self._parents.items()}
        others = {path: file for path, file in self.large.items() if path not in paths}
        known = paths | hashes_of(others, self.spec.storage.hashes)
        wanted = [
            WantedFile(path=path, name=file.name, bytes=file.stat().st_size, sha256=known[path])
            for path, file in sorted(self.large.items())
        ]
        texts = {
            STUDY_FILE: tomlkit.dumps(self.document),
            WANTED: json.dumps([asdict(one) for one in wanted], indent=1),
        }
        with replaced(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in texts.items():
                file.writestr(zipfile.ZipInfo(name, MADE), text)
            for name, path in sorted(self.small.items()):
                file.writestr(zipfile.ZipInfo(name, MADE), readable(path).read_bytes())

    # ------------------------------------------------------------------------------------------------------- parts

    @property
    def _parents(self) -> Mapping[str, Path]:
        return self.spec.merge.models

    @property
    def _here(self) -> Path:
        return self.spec.storage.file.parent

    def _table(self, *names: str) -> dict[str, Any]:
        """A table of the study file, to be changed; an empty one that is no part of it where it has none."""
        found: Any = self.document
        for name in names:
            found = found.get(name, {})
        return cast("dict[str, Any]", found)

    def _take(self, file: Path, place: str) -> str:
        """Take a file along, or its SHA-256; returns the path that stands for it."""
        path = f"{INPUTS}/{place}/{file.name}"
        (self.small if file.stat().st_size <= SMALL else self.large)[path] = file
        return path

    def _add_models(self) -> None:
        for letter, file in self._parents.items():
            path = f"{INPUTS}/models/{letter}/{file.name}"
            self.large[path] = file
            self._table("models")[letter] = path
        render, choices = self._table("render"), self._table("space", "choices")
        if self.spec.rendering.vae:
            render["vae"] = self._take(self.spec.rendering.vae, "vae")
        if "vae" in choices:
            files = self.spec.rendering.vaes
            choices["vae"] = [word if (file := files[word]) is None else self._take(file, f"vae/{n}")
                              for n, word in enumerate(choices["vae"])]  # fmt: skip

    def _add_shot_files(self) -> None:
        spec, render = self.spec, self._table("render")
        for n, file in enumerate(spec.target.references):
            self.small[f"{INPUTS}/references/{n:04d}/{file.name}"] = file
        self._table("target")["references"] = [
            f"{INPUTS}/references/{n:04d}/{file.name}" for n, file in enumerate(spec.target.references)
        ]
        for key, folder, files in self._folders():
            render[key] = f"{INPUTS}/{key}"
            for file in files:
                self._take(file, f"{key}/{file.relative_to(folder).parent.as_posix()}".removesuffix("/."))

    def _folders(self) -> Iterator[tuple[str, Path, list[Path]]]:
        """The folders of `[render]`, each with those of its files that the study needs."""
        spec, render = self.spec, self._table("render")
        if spec.rendering.embeddings:
            names = set(embedding_hashes(spec.rendering, spec.shots))
            yield "embeddings", spec.rendering.embeddings, _named(spec.rendering.embeddings, names)
        if spec.rendering.upscalers:
            yield "upscalers", spec.rendering.upscalers, _named(spec.rendering.upscalers, {*upscaler_names(spec.shots)})
        if "wildcards" in render:
            folder = path_from(self._here, str(render["wildcards"]))
            yield "wildcards", folder, [path for path in sorted(folder.rglob("*")) if path.is_file()]

    def _add_suite(self) -> None:
        """Add the lists of situations; with a single list that names others, those beside it."""
        from studies.studyfile.list_tables import TABLES
        from studies.studyfile.wildcard_circles import stands_alone

        suite = self.spec.situations.suite
        if suite is None:
            return
        folder = suite if suite.is_dir() else suite.parent
        beside = [suite] if stands_alone(suite, self.spec.situations.frame) else folder.rglob("*")
        for file in sorted(path for path in beside if path.suffix in {".txt", *TABLES} and path.is_file()):
            self._take(file, f"situations/{file.relative_to(folder).parent.as_posix()}".removesuffix("/."))
        self._table("situations")["suite"] = f"{INPUTS}/situations" + ("" if folder == suite else f"/{suite.name}")

    def _add_beginnings(self) -> None:
        search = self._table("search")
        if "begin" in search:
            texts = [search["begin"]] if isinstance(search["begin"], str) else list(search["begin"])
            search["begin"] = [self._beginning(str(text), n) for n, text in enumerate(texts)]
        if "start" in search:
            search["start"] = self._beginning(str(search["start"]), "start")

    def _beginning(self, text: str, number: object) -> str:
        is_file = text.lower().endswith(".toml") and not text.startswith("study:")
        return self._take(path_from(self._here, text), f"begin/{number}") if is_file else text

    def _add_scorers(self) -> None:
        scoring, table = self.spec.scoring, self._table("scorers")
        sources = self.spec.panel_settings().file_finder().sources(scoring.weights)
        files = {*sources.heads.values(), *(one.weights for one in sources.encoders.values())}
        within = sorted(file for file in files if file.parent == scoring.folder)
        for file in within:
            self._take(file, "scorers")
        if within:
            self.document.setdefault("scorers", tomlkit.table())["folder"] = f"{INPUTS}/scorers"
        for owner, file in scoring.files.items():
            table["files"][owner] = self._take(file, f"scorer_files/{owner}")
        if isinstance(table.get("encoder"), dict) and not isinstance(scoring.encoder, str):
            table["encoder"]["weights"] = self._take(scoring.encoder.weights, "encoder")
            if isinstance(scoring.encoder.config, Path):
                table["encoder"]["config"] = self._take(scoring.encoder.config, "encoder")
        for name in scoring.weights:
            self._add_program(name, ("scorers", "weights", name))

    def _add_program(self, name: str, place: Place) -> None:
        """A scorer in a file of its own keeps its name, which is its path, so it has to lie beside the study file."""
        from scorers.catalogue.lookup import PLUGIN

        if (match := PLUGIN.fullmatch(name)) is None:
            return
        path = Path(match["path"])
        if path.is_absolute() or ".." in path.parts:
            raise StudyError.of(
                [
                    Problem(
                        place=(self.spec.storage.file, *place),
                        what="other machines cannot find this program: it lies outside of the study file's folder",
                        remedy="put it beside the study file, and name it by its file name",
                    )
                ]
            )
        self.small[path.as_posix()] = self._here / path


def _named(folder: Path, names: set[str]) -> list[Path]:
    """The files of a folder, and of those in it, whose names without suffixes are among some."""
    small = {name.lower() for name in names}
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _stems(path) & small]


def _stems(path: Path) -> set[str]:
    return {path.name.lower(), path.stem.lower(), path.name.lower().partition(".")[0]}


def read_wanted(text: str) -> list[WantedFile]:
    """Return the large files that an archive names.

    Raises:
        StudyError: the text is not what `Bundle.write` writes.
    """
    try:
        return [WantedFile(**one) for one in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise StudyError("was not written by this version", place=(Named(WANTED),)) from error
