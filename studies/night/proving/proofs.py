"""The proofs of a study, counted: every further one is another chance that luck wins, so its intervals are wider.

A proof is another one where its held-out shots, its finalists or what judges them are others. An interval of the first
one may miss with 5 %, of the second with 2.5 %, of the third with 1.25 % and so on: by Bonferroni's inequality the
intervals of a comparison in all proofs of a study, however many there are, miss with 10 % at most. Dividing an error
among tests that come one by one is called alpha spending (Foster and Stine 2008, "Alpha-investing", Journal of the
Royal Statistical Society B 70, 429-444).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from studies.store.judged.outcome import FIRST_CONFIDENCE
from studies.store.renders import shots_key
from studies.store.storage import StudyStore
from studies.studyfile.spec import StudyShots

PROOFS = "proofs"
"""Key of the study's note of its proofs: a text for each, in the order in which they were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofNumber:
    """Which of a study's proofs one is, and how sure its intervals are."""

    number: int
    """1 for the first."""
    known: int
    """How many the study has had, this one among them."""
    key: str
    """Twelve hex digits of what makes it another proof than the others."""

    @property
    def confidence(self) -> float:
        """The level of its intervals: 0.95, 0.975, 0.9875 ..."""
        return FIRST_CONFIDENCE if self.number == 1 else 1 - (1 - FIRST_CONFIDENCE) / 2 ** (self.number - 1)


def number_of(store: StudyStore, shots: StudyShots, finalists: Iterable[str], judged_by: str) -> ProofNumber:
    """Return which of a study's proofs one is: that of an earlier time, or the next.

    Args:
        store: the study's storage.
        shots: of the study, among them the held-out ones.
        finalists: the keys of the recipes that it compares with parents and FLAT mixes.
        judged_by: the panel's version.
    """
    weights = [f"weights {shots.proof_weights}"] if len(set(shots.proof_weights)) > 1 else []
    parts = [shots_key(shots.proof), *sorted(finalists), judged_by, *weights]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    known: list[str] = store.noted(PROOFS) or []
    every = known if key in known else [*known, key]
    return ProofNumber(number=every.index(key) + 1, known=len(every), key=key)


def count(store: StudyStore, proof: ProofNumber) -> None:
    """Note a proof whose result is about to be shown; one that is known already is not counted again."""
    known: list[str] = store.noted(PROOFS) or []
    if proof.key not in known:
        store.note(PROOFS, [*known, proof.key])


def keep_count(old: StudyStore, new: StudyStore) -> None:
    """Take the proofs of a study over into its next scoring: other weights are another chance as well."""
    if (known := old.noted(PROOFS)) is not None:
        new.note(PROOFS, known)
