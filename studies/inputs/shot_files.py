"""The files that shots name and a study's own shots do not: pictures depend on what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from engine.errors import EngineError
from engine.shots.shot import Shot
from studies.inputs.assets import embedding_hashes, upscaler_names
from studies.studyfile.spec import Rendering, StudyShots

UNREADABLE = "unreadable"
"""Stands for the content of a file that cannot be read; whoever renders with it says why."""


class ShotFiles:
    """Tells the contents of files that only some shots name: embeddings in their prompts, and their upscalers.

    What the study's own shots name is part of the place of every kept picture already (``studies.night.render_stamp``).
    """

    def __init__(self, rendering: Rendering, shots: StudyShots) -> None:
        self._rendering, self._shots = rendering, shots
        self._known: dict[tuple[str, ...], Mapping[str, str]] = {}

    def words(self, shots: Sequence[Shot]) -> tuple[str, ...]:
        """Return a word for every file that the shots name and the study does not: kind, name and SHA-256; sorted."""
        named = [one for shot in shots for one in (self._embeddings(shot), self._upscaler(shot))]
        return tuple(sorted({word for words in named for word in words}))

    def _embeddings(self, shot: Shot) -> list[str]:
        folder, own = self._rendering.embeddings, self._own_embeddings
        if folder is None:
            return []

        def hashes(prompt: str, negative: str) -> Mapping[str, str]:
            from engine.prompts.embeddings import EmbeddingFolder

            return EmbeddingFolder(folder).hashes([prompt], [negative])

        texts = {(part.prompt, part.negative) for part in shot.passes} - self._own_texts
        found = [self._told(lambda text=text: hashes(*text), "embedding", *text) for text in texts]
        return [f"embedding {name} {digits}" for one in found for name, digits in one.items() if name not in own]

    def _upscaler(self, shot: Shot) -> list[str]:
        folder, name = self._rendering.upscalers, shot.hires.model if shot.hires else ""
        if folder is None or not name or name in upscaler_names(self._shots):
            return []

        def hashes() -> Mapping[str, str]:
            from engine.rendering.upscaler_models import UpscalerFolder

            return UpscalerFolder(folder).hashes([name])

        return [f"upscaler {name} {digits}" for digits in self._told(hashes, "upscaler", name).values()]

    def _told(self, hashes: Callable[[], Mapping[str, str]], *named: str) -> Mapping[str, str]:
        """Hashes, worked out once; of what cannot be read a word that stands for it."""
        if named not in self._known:
            try:
                self._known[named] = hashes()
            except EngineError:
                self._known[named] = {"a file": UNREADABLE}
        return self._known[named]

    @cached_property
    def _own_texts(self) -> set[tuple[str, str]]:
        """The prompts and negatives of the study."""
        return {(part.prompt, part.negative) for part in self._shots.passes}

    @cached_property
    def _own_embeddings(self) -> set[str]:
        """The names of the study's embeddings."""
        return set(embedding_hashes(self._rendering, self._shots))
