"""The embeddings of one folder, as the WebUI names them in a picture's text.

"TI hashes" holds the name of every embedding that prompt and negative name, and the first twelve digits of the SHA-256
of its file (modules/sd_hijack_clip.py and modules/textual_inversion/textual_inversion.py of 1.10).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.shots.infotext_origin import TI_HASHES
from engine.shots.shot import Shot

if TYPE_CHECKING:
    from engine.prompts.embeddings import EmbeddingFolder

DIGITS = 12
"""How many digits of a hash stand in the text."""


class EmbeddingNames:
    """The embeddings of a folder; of none where the folder is None.

    Attributes:
        folder: The folder.

    Raises:
        RenderError: There is no such folder.
    """

    def __init__(self, folder: Path | None) -> None:
        from engine.prompts.embeddings import EmbeddingFolder

        self.folder = folder
        self._files: EmbeddingFolder | None = EmbeddingFolder(folder) if folder else None

    def sha256(self, name: str) -> str | None:
        """Return the SHA-256 of an embedding's file, 64 digits; None where there is none of that name.

        Raises:
            RenderError: Several files have that name, or it cannot be used.
        """
        return self._files.sha256(name) if self._files else None

    def pairs(self, shot: Shot) -> dict[str, str]:
        """Return the pair of a picture's text for the embeddings that a shot names; no pair where it names none."""
        if self._files is None:
            return {}
        passes = shot.passes
        hashes = self._files.hashes((one.prompt for one in passes), (one.negative for one in passes))
        named = [f"{name.replace(':', '').replace(',', '')}: {digits[:DIGITS]}" for name, digits in hashes.items()]
        return {TI_HASHES: ", ".join(named)} if named else {}
