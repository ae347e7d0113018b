"""A folder of textual-inversion embeddings: their names, which are matched with a prompt's tokens, and their vectors.

As in AUTOMATIC1111's WebUI, a prompt names an embedding by its file's stem, which is matched as token ids, the longest
name first. The folder is listed once; a file is read when a prompt names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from engine.checkpoints.checkpoint import file_sha256
from engine.checkpoints.weight_file import weight_files
from engine.errors import RenderError
from engine.prompts.chunks import NamedEmbedding, chunks_of
from engine.prompts.embedding_file import EMBEDDING_SUFFIXES, SINGLE, read_embedding
from engine.prompts.parts import negative_text, prompt_parts
from engine.prompts.schedule import resolved_texts
from engine.prompts.tokenizer import token_ids

MOST_STEPS = 1000
"""So many steps that every text of a schedule occurs."""


class EmbeddingFolder:
    """The embeddings of one folder and the folders inside it.

    Files of other kinds (previews, notes) are ignored.

    Attributes:
        folder: The folder.

    Raises:
        RenderError: The folder does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[tuple[int, ...], list[Path]] = {}
        for path in weight_files(folder, EMBEDDING_SUFFIXES, "embeddings"):
            ids = token_ids(path.stem)
            if ids:
                self._files.setdefault(ids, []).append(path)
        self._lengths = sorted({len(ids) for ids in self._files}, reverse=True)
        self._known: dict[str, Mapping[str, Tensor]] = {}
        self._hashes: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted; a name that several files share occurs once."""
        return tuple(sorted(paths[0].stem for paths in self._files.values()))

    def named_at(self, ids: Sequence[int], place: int) -> NamedEmbedding | None:
        """Return the embedding whose name begins at a position in the ids, the longest name first.

        Raises:
            RenderError: Several files have that name, or its file cannot be used.
        """
        for length in self._lengths:
            name = tuple(ids[place : place + length])
            if len(name) == length and name in self._files:
                path = self._file(name)
                vectors = next(iter(self.vectors(path.stem).values()))
                return NamedEmbedding(name=path.stem, vectors=len(vectors), tokens=length)
        return None

    def vectors(self, name: str) -> Mapping[str, Tensor]:
        """Return the vectors of an embedding, as ``read_embedding`` gives them.

        Raises:
            RenderError: There is none of that name, there are several, or the file cannot be used.
        """
        if name not in self._known:
            ids = token_ids(name)
            if ids not in self._files:
                raise RenderError(
                    f'holds no embedding "{name}"', remedy="put its file there, or name another", place=(self.folder,)
                )
            self._known[name] = read_embedding(self._file(ids))
        return self._known[name]

    def fitting(self, name: str, width: int, encoder: str = SINGLE) -> Tensor:
        """Return the vectors ``(n, width)`` of an embedding for one text encoder.

        Args:
            name: Of the embedding.
            width: Of the text encoder.
            encoder: ``SINGLE``, or which of SDXL's two encoders.

        Raises:
            RenderError: As in ``vectors``, or it was made for another model family.
        """
        found = self.vectors(name)
        if encoder in found and found[encoder].shape[-1] == width:
            return found[encoder]
        has = " and ".join(str(value.shape[-1]) for value in found.values())
        raise RenderError(
            f'the embedding "{name}" in {self.folder} has vectors of width {has}, and this text encoder takes {width}: '
            "it was made for another model family",
            remedy="take its name out of the prompt, or its file out of the folder",
        )

    def hashes(self, prompts: Iterable[str], negatives: Iterable[str]) -> dict[str, str]:
        """Return the sha256 in hex of every file that these texts name, by the embedding's name."""
        texts = {part.text for prompt in prompts for part in prompt_parts(prompt)} | set(map(negative_text, negatives))
        names = {
            insert.name
            for text in texts
            for resolved in {stretch.text for stretch in resolved_texts(text, MOST_STEPS)}
            for chunk in chunks_of(resolved, self)
            for insert in chunk.inserts
        }
        return {name: digits for name in sorted(names) if (digits := self.sha256(name))}

    def sha256(self, name: str) -> str | None:
        """Return the sha256 in hex of an embedding's file; None where there is none of that name.

        Raises:
            RenderError: Several files have that name.
        """
        ids = token_ids(name)
        if ids not in self._files:
            return None
        if name not in self._hashes:
            self._hashes[name] = file_sha256(self._file(ids))
        return self._hashes[name]

    def _file(self, ids: tuple[int, ...]) -> Path:
        first, *others = self._files[ids]
        if others:
            listed = ", ".join(str(path.relative_to(self.folder)) for path in (first, *others))
            raise RenderError(
                f'several embeddings answer to "{first.stem}": {listed}',
                remedy="move all but one elsewhere",
                place=(self.folder,),
            )
        return first
