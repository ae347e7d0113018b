"""Where the files of a panel are: those that its scorers need, found by name in a folder or named by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import Named, Problem, Problems
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.lookup import Choice
from scorers.catalogue.published import Files
from scorers.errors import ScorerError


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFiles:
    """What an encoder is read from.

    Attributes:
        config: name of a known encoder, a JSON file, or an open_clip architecture.
        weights: file of the weights.
    """

    config: str | Path
    weights: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A file that is not there.

    Attributes:
        name: of the encoder or scorer that it belongs to.
        files: any of which would do; none is known where the user named a file.
        looked: where it was looked for.
    """

    name: str
    files: Files
    looked: Path

    @property
    def problem(self) -> Problem:
        """That it is not there, at the name of its encoder or scorer."""
        place = (Named(self.name),)
        if not self.files:
            return Problem(place=place, what=f"there is no file {self.looked}", remedy="correct its path")
        names = " or ".join(file.name for file in self.files)
        return Problem(
            place=place,
            what=f"there is no {names} in {self.looked}",
            remedy=f"get it with `recipe-search scorers get {self.name}` ({self.files[0].source}, licence "
            f"{self.files[0].licence}), or name your own copy under files",
        )


@dataclass(slots=True, kw_only=True)
class Sources:
    """The files of a panel.

    Attributes:
        encoders: files of every encoder that is looked through, by name.
        heads: file of every head, by the scorer's name as written.
        embeddings: name of the embedding that each scorer reads, by the scorer's name as written.
        prompted: names of the encoders that read prompts.
        missing: what is not there.
    """

    encoders: dict[str, EncoderFiles] = field(default_factory=dict[str, EncoderFiles])
    heads: dict[str, Path] = field(default_factory=dict[str, Path])
    embeddings: dict[str, str] = field(default_factory=dict[str, str])
    prompted: set[str] = field(default_factory=set[str])
    missing: list[Missing] = field(default_factory=list[Missing])


class Shelf:
    """Where files are looked for.

    Attributes:
        main: name of the encoder for style and prompts.
    """

    def __init__(
        self, main: str, given: Mapping[str, EncoderFiles], folder: Path | None, files: Mapping[str, Path]
    ) -> None:
        """Look for files.

        Args:
            main: name of the encoder for style and prompts.
            given: encoders whose files are named, by name.
            folder: where published files are looked for by their names.
            files: files that the user named, by name of an encoder or a scorer.
        """
        self.main = main
        self._given = given
        self._folder = folder
        self._files = {catalogue.file_owner(name): path for name, path in files.items()}

    def sources(self, scorers: Iterable[str], embeddings: Iterable[str] = ()) -> Sources:
        """The files that scorers need; plug-ins among them are passed over.

        Args:
            scorers: their names, as written.
            embeddings: names of embeddings that are wanted besides.

        Raises:
            ScorerError: names that mean nothing; all of them.
        """
        found, problems = Sources(), Problems()
        for text in scorers:
            with problems.collecting():
                if not catalogue.is_plugin(text):
                    self._add(catalogue.choice(text), found)
        for name in embeddings:
            with problems.collecting():
                self._encoder(name.partition("/")[0], found)
        problems.raise_as(ScorerError)
        return found

    def _add(self, wanted: Choice, found: Sources) -> None:
        scorer = wanted.scorer
        if scorer.kind == "statistics":
            return
        encoder = wanted.encoder or scorer.default_encoder or self._through(wanted)
        self._encoder(encoder, found)
        found.embeddings[wanted.text] = f"{encoder}/{scorer.view}" if scorer.view else encoder
        if scorer.kind in {"prompt", "words"}:
            found.prompted.add(encoder)
        if scorer.kind == "head":
            self._head(wanted, encoder, found)

    def _through(self, wanted: Choice) -> str:
        """The main encoder, or CSD for style where its file is there."""
        return "csd" if wanted.scorer.kind == "style" and self.has("csd") else self.main

    def has(self, encoder: str) -> bool:
        """Whether the user named this encoder's file, or the folder holds it."""
        known = catalogue.encoder_named(encoder)
        return encoder in self._files or (known is not None and self._first(known.files) is not None)

    def _encoder(self, name: str, found: Sources) -> None:
        known = catalogue.encoder_named(name)
        if name in found.encoders or any(missing.name == name for missing in found.missing):
            return
        if name in self._given:
            found.encoders[name] = self._given[name]
        elif known is None:
            catalogue.check_encoder_name(name)
        else:
            path = self._file(name, name, known.files, found)
            if path is not None:
                found.encoders[name] = EncoderFiles(config=name, weights=path)

    def _head(self, wanted: Choice, encoder: str, found: Sources) -> None:
        scorer = wanted.scorer
        own = wanted.plain if wanted.plain in self._files else scorer.name
        files = scorer.heads.get(encoder, ())
        if not files and own not in self._files:
            raise ScorerError(
                f"{wanted.text!r}: no head of {scorer.name} is published for {encoder}, only for "
                f"{', '.join(scorer.heads)}",
                remedy="name a file of your own under files",
            )
        path = self._file(own, wanted.plain, files, found)
        if path is not None:
            found.heads[wanted.text] = path

    def _file(self, own: str, name: str, files: Files, found: Sources) -> Path | None:
        """The user's own file, else the first of the published ones that is there."""
        named = self._files.get(own)
        if named is not None and named.is_file():
            return named
        path = None if named is not None else self._first(files)
        if path is None:
            looked = named or self._folder or Path()
            found.missing.append(Missing(name=name, files=() if named else files, looked=looked))
        return path

    def _first(self, files: Files) -> Path | None:
        if self._folder is None:
            return None
        paths = (self._folder / file.name for file in files)
        return next((path for path in paths if path.is_file()), None)
