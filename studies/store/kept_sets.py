"""Which sets of shots a study keeps the renders of: looked up once, to say what is left before anything is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.shots.shot import Shot
from studies.candidate import Candidate
from studies.store.renders import FEATURES, shots_key


class KeptSets:
    """The sets that lie in a study's folder, whatever models and device they were made with.

    A night refuses other models, so these are as a rule those that a command finds again; of renders that lie on
    another machine nothing is known.
    """

    def __init__(self, folder: Path, words: Callable[[Sequence[Shot]], Sequence[str]] = lambda _: ()) -> None:
        """Look them up.

        Args:
            folder: of the study.
            words: as `RenderStore` takes it.
        """
        places = (path.parent for path in (folder / "renders").glob(f"*/*/*/{FEATURES}"))
        self._known = {(place.parent.name, place.name) for place in places}
        self._words = words

    def __bool__(self) -> bool:
        return bool(self._known)

    def pictures(self, candidate: Candidate, shots: Sequence[Shot]) -> int:
        """Return how many pictures of a set are kept: all or none."""
        known = bool(self._known) and (shots_key(shots, self._words(shots)), candidate.key[:20]) in self._known
        return len(shots) if known else 0
