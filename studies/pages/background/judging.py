"""Judging on pages: the pair that is shown, by random names, and what becomes of the answers.

A pair is shown under a token that one answer uses up, so a form that is sent twice changes nothing. Its pictures have
random names and are encoded alike: what reaches the browser says nothing of which recipe made which. A pair outlives
the opened pictures, so an answer is kept at once even where those were closed meanwhile.
"""

from __future__ import annotations

import io
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from studies.pages.background.sitting import Sitting
from studies.review.judging.picks import Answer, BrokenSide, Pick, read_picks, take_back

if TYPE_CHECKING:
    from scorers.panel.preference import Agreement
    from studies.drawing.sheets import RgbPicture
    from studies.review.judging.picking import Picking
    from studies.studyfile.spec import StudySpec

KEPT_PAIRS = 3
"""Pairs whose pictures can still be asked for: the shown one and those before it, for the browser's way back."""
KEPT_TOKENS = 200
"""Used tokens that are known, so that a form that is sent twice is told from one of an earlier server."""
JudgeState = Literal["opening", "asking", "failed", "too few", "all asked"]
"""What there is to judge: pictures are being opened; a pair; they cannot be opened; no two pictures; none is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPair:
    """A pair as it is shown. All that the page may tell is in its first four fields."""

    token: str
    left: str
    """Random name of the left picture."""
    right: str
    size: tuple[int, int]
    """Width and height of both."""
    question: Pick


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the answers show so far."""

    answered: int
    """Pairs that were answered or skipped."""
    usable: int
    """Those from which weights are fitted."""
    together: Agreement
    """Of all scorers, by the weights in force."""
    scorers: Mapping[str, Agreement]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLook:
    """What a page shows."""

    state: JudgeState
    pair: ShownPair | None = None
    problems: tuple[str, ...] = ()
    tally: Tally | None = None


@dataclass
class Judging:
    """The judging of one study; may be asked by several threads."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sitting: Sitting | None = None
    _shown: ShownPair | None = None
    _pictures: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _used: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_TOKENS))
    tally: Tally | None = None
    """As it was when the last pair was chosen; None where no pictures were opened yet."""

    def look(self, spec: StudySpec) -> JudgeLook:
        """Return what there is to judge, and open the kept pictures where need be."""
        with self._lock:
            self._forget_other(spec)
            if self._sitting is not None and self._sitting.has_ended:
                problems, self._sitting = self._sitting.problems, None
                if problems:
                    return JudgeLook(state="failed", problems=problems)
            self._sitting = self._sitting or Sitting(spec)
            picking = self._sitting.use()
            if self._shown is not None:
                return JudgeLook(state="asking", pair=self._shown, tally=self.tally)
            return JudgeLook(state="opening") if picking is None else self._next(picking)

    def _forget_other(self, spec: StudySpec) -> None:
        """Close what was opened of a study file that has changed since."""
        if self._sitting is not None and self._sitting.spec is not spec:
            self._close()
            self._shown = None

    def _close(self) -> None:
        if self._sitting is not None:
            self._sitting.close()
            self._sitting = None

    def _next(self, picking: Picking) -> JudgeLook:
        picking.read_again()
        self.tally = _tally(picking)
        pair = picking.choose()
        if pair is None:
            self._close()  # trials may have come: they are seen when it is opened again
            return JudgeLook(state="all asked" if picking.picks else "too few", tally=self.tally)
        pictures = picking.gallery.pictures(pair)
        names = [secrets.token_urlsafe(12) for _ in pictures]
        self._pictures |= dict(zip(names, map(encoded, pictures), strict=True))
        for old in list(self._pictures)[: -2 * KEPT_PAIRS]:
            del self._pictures[old]
        self._shown = ShownPair(
            token=secrets.token_urlsafe(12),
            left=names[0],
            right=names[1],
            size=(pictures[0].shape[1], pictures[0].shape[0]),
            question=picking.question(pair),
        )
        return JudgeLook(state="asking", pair=self._shown, tally=self.tally)

    def picture(self, name: str) -> bytes | None:
        """Return a picture of a pair that was shown lately, as WebP; None where there is none of that name."""
        with self._lock:
            return self._pictures.get(name)

    def answer(
        self, spec: StudySpec, token: str, answer: Answer, *, broken: BrokenSide = "", note: str = "", by: str = ""
    ) -> bool:
        """Keep an answer to the pair that is shown under a token; it is on the disk when this returns.

        Returns:
            False where the token is of no pair that this server knows, so that the answer is lost.

        Raises:
            StudyError: the note or the name is no text, or cannot be kept.
        """
        from studies.review.judging.picking import keep_answer

        with self._lock:
            if self._shown is None or token != self._shown.token:
                return token in self._used
            keep_answer(spec.storage.folder, self._shown.question, answer, broken, note, by)
            self._use_up()
            return True

    def undo(self, spec: StudySpec, token: str) -> bool:
        """Take the last answer back, while a pair is shown under a token; that pair is not answered.

        Returns:
            False where the token is of no pair that this server knows, so that nothing was taken back.
        """
        with self._lock:
            if self._shown is None or token != self._shown.token:
                return token in self._used
            picks = read_picks(spec.storage.folder)
            if picks:
                take_back(spec.storage.folder, picks[-1])
            self._use_up()
            return True

    def _use_up(self) -> None:
        if self._shown is not None:
            self._used.append(self._shown.token)
            self._shown = None

    def close(self) -> None:
        """Close the pictures; a pair that is shown can still be answered."""
        with self._lock:
            self._close()


class JudgingList:
    """The judging of all studies of a server."""

    def __init__(self) -> None:
        """Nothing is opened."""
        self._lock = threading.Lock()
        self._studies: dict[str, Judging] = {}

    def of(self, key: str) -> Judging:
        """Return the judging of a study."""
        with self._lock:
            return self._studies.setdefault(key, Judging())


def _tally(picking: Picking) -> Tally:
    return Tally(
        answered=len(picking.picks),
        usable=len(picking.usable()[0]),
        together=picking.agreement_in_force(),
        scorers=picking.agreements(),
    )


def encoded(picture: RgbPicture) -> bytes:
    """Return a picture as WebP without loss or metadata, the same way for all."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(picture).save(content, "WEBP", lossless=True, quality=0, method=0)
    return content.getvalue()
