"""Renders that were made once are kept: features per recipe and set of shots, so that nothing is rendered twice.

A folder per (recipe, set of shots) holds ``features.safetensors`` (embeddings, statistics), and for finalists the
single pictures. What is found here needs neither a build nor a render: a trial that was killed between its render and
its record, a recipe that two stages both propose, the parents of the finalists' sheet.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.files import replaced
from engine.shots.shot import Shot
from studies.candidate import Candidate
from studies.drawing.sheets import RgbPicture, cell, grid, read_picture
from studies.errors import StudyError
from studies.store.backends.backend import KeptFiles
from studies.store.backends.journal.journal_backend import FolderFiles

if TYPE_CHECKING:
    from scorers.features import Features

log = logging.getLogger(__name__)

FEATURES = "features.safetensors"
NOTHING = "any picture"
"""Stands among what is lacking where nothing is kept at all."""
SHEET = "sheet.webp"
PICTURES = (".webp", ".png")
"""Endings of the pictures in a folder of renders."""


def shots_key(shots: Sequence[Shot], words: Sequence[str] = ()) -> str:
    """Twelve hex digits that name a set of shots, in order.

    Args:
        shots: of one recipe.
        words: what else their pictures depend on.
    """
    return hashlib.sha256("\n".join([*(shot.key for shot in shots), *words]).encode()).hexdigest()[:12]


def kept_folder(folder: Path, key: str, shots: str, file: str) -> Path | None:
    """Return the folder of a candidate's renders that holds a file: the newest, since sets differ by what made them.

    Args:
        folder: of the study.
        key: of the candidate.
        shots: key of the set of shots.
        file: name of the file; None is returned where no folder has it.
    """
    places = [path / shots / key[:20] for path in (folder / "renders").glob("*")]
    known = [place for place in places if (place / file).is_file()]
    return max(known, key=lambda place: (place / file).stat().st_mtime, default=None)


class RenderStore:
    """The study's ``renders`` folder.

    Attributes:
        folder: where renders with this stamp lie.
        words: tells what pictures of some shots depend on beside the stamp.
    """

    def __init__(
        self,
        folder: Path,
        stamp: str,
        files: KeptFiles | None = None,
        words: Callable[[Sequence[Shot]], Sequence[str]] = lambda _: (),
    ) -> None:
        """Open the renders of a study.

        Args:
            folder: of the study.
            stamp: text on which pictures depend besides, such as hashes of models; it is part of every path.
            files: what brings files of other machines, and gives them ours; None: there are none.
            words: what pictures of some shots depend on besides, such as hashes of files that these alone name.
        """
        self._files = files or FolderFiles()
        self.words = words
        self.folder = folder / "renders" / hashlib.sha256(stamp.encode()).hexdigest()[:12]

    def under(self, stamp: str) -> RenderStore:
        """Return the renders of the same study under another stamp."""
        return RenderStore(self.folder.parent.parent, stamp, self._files, self.words)

    def place(self, candidate: Candidate, shots: Sequence[Shot]) -> Path:
        """Folder of a candidate's renders of these shots."""
        return self.folder / self.key(shots) / candidate.key[:20]

    def key(self, shots: Sequence[Shot]) -> str:
        """Twelve hex digits that name a set of shots, and what is in the files that they alone name."""
        return shots_key(shots, self.words(shots))

    def load(self, candidate: Candidate, shots: Sequence[Shot], needed: Mapping[str, str]) -> Features | None:
        """Features kept earlier, or None where there are none with everything that is ``needed``, by version."""
        kept = self._features(candidate, shots)
        return None if kept is None or kept.lacks(needed) else kept

    def lacking(self, candidate: Candidate, shots: Sequence[Shot], needed: Mapping[str, str]) -> tuple[str, ...]:
        """What keeps ``load`` from finding everything that is ``needed``: their names, or ``NOTHING``."""
        kept = self._features(candidate, shots)
        return (NOTHING,) if kept is None else kept.lacks(needed)

    def _features(self, candidate: Candidate, shots: Sequence[Shot]) -> Features | None:
        """Features kept earlier; None where there are none of these shots, or where they are damaged."""
        from scorers.errors import ScorerError
        from scorers.features import Features

        path = self.place(candidate, shots) / FEATURES
        if not self._files.bring(path):
            return None
        try:
            kept = Features.load(path)
        except ScorerError as error:
            log.info("%s; they are made again where they are needed", error)
            return None
        return kept if kept.slots == tuple((shot.prompt, shot.seed) for shot in shots) else None

    def keep(self, candidate: Candidate, shots: Sequence[Shot], features: Features) -> Path:
        """Store features; returns the folder."""
        place = self.place(candidate, shots)
        place.mkdir(parents=True, exist_ok=True)
        features.save(place / FEATURES)
        for name in (*sorted(path.name for path in place.glob("*") if path.suffix in PICTURES), FEATURES):
            self._files.share(place / name)
        return place

    def keep_whole(
        self, candidate: Candidate, shots: Sequence[Shot], features: Features, needed: Mapping[str, str]
    ) -> None:
        """Store the features of shots whose pictures are kept by themselves, and their contact sheet, unless they are.

        Args:
            candidate: the recipe.
            shots: all of them.
            features: of all of them.
            needed: as `load` takes it.
        """
        pictures = self.pictures(candidate, shots)
        if pictures is not None and self.lacking(candidate, shots, needed):
            grid(pictures, self.place(candidate, shots) / SHEET)
            self.keep(candidate, shots, features)

    def keep_pictures(
        self,
        candidate: Candidate,
        shots: Sequence[Shot],
        pictures: Sequence[RgbPicture],
        places: Sequence[int] | None = None,
    ) -> None:
        """Store the pictures, one PNG a shot; of some of the shots alone where their places are given."""
        from PIL import Image

        place = self.place(candidate, shots)
        place.mkdir(parents=True, exist_ok=True)
        for index, picture in zip(range(len(pictures)) if places is None else places, pictures, strict=True):
            with replaced(place / f"{index:03d}.png") as temporary:
                Image.fromarray(picture).save(temporary)

    def pictures(self, candidate: Candidate, shots: Sequence[Shot]) -> list[RgbPicture] | None:
        """The pictures kept by ``keep_pictures``, or None if one is missing or damaged."""
        place = self.place(candidate, shots)
        pictures = [self._kept_picture(place / f"{index:03d}.png") for index in range(len(shots))]
        whole = [picture for picture in pictures if picture is not None]
        return whole if len(whole) == len(pictures) else None

    def has_pictures(self, candidate: Candidate, shots: Sequence[Shot], places: Sequence[int]) -> bool:
        """Whether the pictures of some of the shots are kept by themselves, and can be read."""
        place = self.place(candidate, shots)
        return all(self._kept_picture(place / f"{index:03d}.png") is not None for index in places)

    def has_sheet(self, candidate: Candidate, shots: Sequence[Shot]) -> bool:
        """Whether the contact sheet is kept, and can be read."""
        return self._kept_picture(self.place(candidate, shots) / SHEET) is not None

    def picture(self, candidate: Candidate, shots: Sequence[Shot], index: int) -> RgbPicture | None:
        """One picture as it was kept: by itself, or in the contact sheet; None if it can be read in neither."""
        place = self.place(candidate, shots)
        if (alone := self._kept_picture(place / f"{index:03d}.png")) is not None:
            return alone
        sheet = self._kept_picture(place / SHEET)
        return None if sheet is None else _cut(sheet, shots, index)

    def shows(self, candidate: Candidate, shots: Sequence[Shot]) -> bool:
        """Whether ``picture`` finds every one of them; the contact sheet is read once at most."""
        place = self.place(candidate, shots)
        in_sheet = [i for i in range(len(shots)) if self._kept_picture(place / f"{i:03d}.png") is None]
        sheet = self._kept_picture(place / SHEET) if in_sheet else None
        return not in_sheet or (sheet is not None and all(_cut(sheet, shots, i) is not None for i in in_sheet))

    def _kept_picture(self, path: Path) -> RgbPicture | None:
        """A picture; None where there is none, or where the file is damaged."""
        if not self._files.bring(path):
            return None
        try:
            return read_picture(path)
        except StudyError as error:
            log.info("%s; it is made again where it is needed", error)
            return None


def _cut(sheet: RgbPicture, shots: Sequence[Shot], index: int) -> RgbPicture | None:
    """One picture out of a contact sheet; None where the sheet is too small for it."""
    width, height = shots[index].picture_size
    picture = cell(sheet, index, len(shots), height, width)
    return picture if picture.shape == (height, width, 3) else None
