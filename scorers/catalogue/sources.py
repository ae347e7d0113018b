"""Where the files of a panel are: found by their published names in a folder, or named by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import Named, Problem, Problems
from engine.files import file_kind
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.lookup import ScorerChoice
from scorers.catalogue.published import Files
from scorers.errors import ScorerError


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFiles:
    """The two files of an encoder.

    Attributes:
        config: name of a known encoder, a JSON file, or an open_clip architecture.
        weights: file of the weights.
    """

    config: str | Path
    weights: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """A file that was not sources.

    Attributes:
        name: the encoder or scorer that it belongs to.
        files: the published files, one of which is needed; empty where the user named a file.
        searched: the folder or file that was searched for.
    """

    name: str
    files: Files
    searched: Path

    @property
    def problem(self) -> Problem:
        """That it is not there, at the name of its encoder or scorer."""
        place = (Named(self.name),)
        if not self.files:
            return Problem(place=place, what=f"there is no file {self.searched}", remedy="correct its path")
        names = " or ".join(file.name for file in self.files)
        return Problem(
            place=place,
            what=f"there is no {names} in {self.searched}",
            remedy=f"get it with `recipe-search scorers get {self.name}` ({self.files[0].source}, licence "
            f"{self.files[0].licence}), or name your own copy under files",
        )


@dataclass(slots=True, kw_only=True)
class Sources:
    """The files of a panel.

    Attributes:
        encoders: files of every encoder that is used, by name.
        heads: file of every head, by the scorer's name as written.
        embeddings: name of the embedding that each scorer reads, by the scorer's name as written.
        prompted: names of the encoders that read prompts.
        missing: files that were not sources.
    """

    encoders: dict[str, EncoderFiles] = field(default_factory=dict[str, EncoderFiles])
    heads: dict[str, Path] = field(default_factory=dict[str, Path])
    embeddings: dict[str, str] = field(default_factory=dict[str, str])
    prompted: set[str] = field(default_factory=set[str])
    missing: list[MissingFile] = field(default_factory=list[MissingFile])


class FileFinder:
    """Finds the files of encoders and scorers.

    Attributes:
        main: name of the encoder for style and prompts.
    """

    def __init__(
        self, main: str, given: Mapping[str, EncoderFiles], folder: Path | None, files: Mapping[str, Path]
    ) -> None:
        """Find files in these places.

        Args:
            main: name of the encoder for style and prompts.
            given: files of encoders, by name.
            folder: where published files are looked for by their names.
            files: further files that the user named, by the name of an encoder or a scorer.
        """
        self.main = main
        self._given = given
        self._folder = folder
        self._files = {catalogue.file_owner(name): path for name, path in files.items()}

    def sources(self, scorers: Iterable[str], embeddings: Iterable[str] = ()) -> Sources:
        """The files that scorers need; plug-ins among them are ignored.

        Args:
            scorers: their names, as written.
            embeddings: names of further embeddings.

        Raises:
            ScorerError: unknown names; all of them.
        """
        sources, problems = Sources(), Problems()
        for text in scorers:
            with problems.collecting():
                if not catalogue.is_plugin(text):
                    self._add(catalogue.choice(text), sources)
        for name in embeddings:
            with problems.collecting():
                self._encoder(name.partition("/")[0], sources)
        problems.raise_as(ScorerError)
        return sources

    def _add(self, choice: ScorerChoice, sources: Sources) -> None:
        scorer = choice.scorer
        if scorer.kind == "statistics":
            return
        encoder = choice.encoder or scorer.default_encoder or self._default_encoder(choice)
        self._encoder(encoder, sources)
        sources.embeddings[choice.text] = f"{encoder}/{scorer.view}" if scorer.view else encoder
        if scorer.kind in {"prompt", "words"}:
            sources.prompted.add(encoder)
        if scorer.kind == "head":
            self._head(choice, encoder, sources)

    def _default_encoder(self, choice: ScorerChoice) -> str:
        """The main encoder, or CSD for style where its file is there."""
        return "csd" if choice.scorer.kind == "style" and self.has("csd") else self.main

    def has(self, encoder: str) -> bool:
        """Whether the user named this encoder's file, or the folder holds it."""
        known = catalogue.encoder_named(encoder)
        return encoder in self._files or (known is not None and self._first(known.files) is not None)

    def _encoder(self, name: str, sources: Sources) -> None:
        known = catalogue.encoder_named(name)
        if name in sources.encoders or any(missing.name == name for missing in sources.missing):
            return
        if name in self._given:
            sources.encoders[name] = self._given[name]
        elif known is None:
            catalogue.check_encoder_name(name)
        else:
            path = self._file(name, name, known.files, sources)
            if path is not None:
                sources.encoders[name] = EncoderFiles(config=name, weights=path)

    def _head(self, choice: ScorerChoice, encoder: str, sources: Sources) -> None:
        scorer = choice.scorer
        own = choice.plain if choice.plain in self._files else scorer.name
        files = scorer.heads.get(encoder, ())
        if not files and own not in self._files:
            raise ScorerError(
                f"no head of {scorer.name} is published for {encoder}, only for {', '.join(scorer.heads)}",
                place=(Named(f"{choice.text!r}"),),
                remedy="name a file of your own under files",
            )
        path = self._file(own, choice.plain, files, sources)
        if path is not None:
            sources.heads[choice.text] = path

    def _file(self, own: str, name: str, files: Files, sources: Sources) -> Path | None:
        """The user's own file, else the first of the published ones that is there."""
        named = self._files.get(own)
        if named is not None and file_kind(named):
            return named
        path = None if named is not None else self._first(files)
        if path is None:
            searched = named or self._folder or Path()
            sources.missing.append(MissingFile(name=name, files=() if named else files, searched=searched))
        return path

    def _first(self, files: Files) -> Path | None:
        if self._folder is None:
            return None
        paths = (self._folder / file.name for file in files)
        return next((path for path in paths if file_kind(path) == "file"), None)
