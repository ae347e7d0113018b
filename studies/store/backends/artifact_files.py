"""The folder of a study's artifacts, for Optuna: every picture is a file that ends as its kind, so that it opens."""

from __future__ import annotations

import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound

from engine.files import replaced

BEGINNINGS = {b"RIFF": ".webp", b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}
"""Endings by how the pictures of each kind begin; a WebP file is the only RIFF that is kept here."""
ENDINGS = ("", *BEGINNINGS.values())
"""Endings of the files of an artifact; those that earlier versions kept have none."""
_LONGEST = max(map(len, BEGINNINGS))
_IDENTIFIER = re.compile(r"[0-9a-fA-F-]{1,64}")


class ArtifactFiles:
    """Optuna's artifact store on a folder; see ``optuna.artifacts``."""

    def __init__(self, folder: Path) -> None:
        """Keep artifacts in a folder that is there."""
        self._folder = folder

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact.

        Raises:
            ArtifactNotFound: there is none by this name.
        """
        return self.path(artifact_id).open("rb")

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep an artifact, whole or not at all."""
        start = content_body.read(_LONGEST)
        ending = next((ending for beginning, ending in BEGINNINGS.items() if start.startswith(beginning)), "")
        with replaced(self._folder / f"{artifact_id}{ending}") as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(BytesIO(start), file)
            shutil.copyfileobj(content_body, file)

    def remove(self, artifact_id: str) -> None:
        """Delete an artifact.

        Raises:
            ArtifactNotFound: there is none by this name.
        """
        self.path(artifact_id).unlink()

    def path(self, artifact_id: str) -> Path:
        """Return the file of an artifact.

        Raises:
            ArtifactNotFound: there is none by this name.
        """
        paths = [self._folder / f"{artifact_id}{ending}" for ending in ENDINGS]
        found = [path for path in paths if path.is_file()] if _IDENTIFIER.fullmatch(artifact_id) else []
        if not found:
            raise ArtifactNotFound("not found")
        return found[0]
