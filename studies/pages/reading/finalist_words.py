"""The proof as pages show it: columns of pictures, and each finalist with its leads, warnings and recipe in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.pages.reading.snapshot import Snapshot
from studies.recipes.recipe_words import RecipeWords, recipe_words
from studies.review.judging.rejections import Rejection
from studies.store.judged.intervals import SignedInterval
from studies.store.judged.outcome import Comparison, Outcome, Standing
from studies.store.judged.pins import Pin
from studies.store.renders import kept_folder, shots_key


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPicture:
    """One picture of the sheet."""

    name: str
    """In addresses."""
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One held-out prompt and seed."""

    prompt: str
    seed: int
    pictures: tuple[SheetPicture | None, ...]
    """One for each column; None where a recipe was given up before this picture was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead(SignedInterval):
    """A finalist against a rival, on held-out pictures."""

    against: str
    mean: float
    low: float
    high: float
    won: int
    """In how many pictures it is better."""
    pictures: int
    """Of how many; 0 where the outcome does not say it."""
    level: str
    """Of the interval, for people: `95 %`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinalist:
    """One finalist."""

    number: int
    standing: Standing
    leads: tuple[Lead, ...]
    words: RecipeWords
    pins: tuple[Pin, ...]
    """Its approvals."""
    rejections: tuple[Rejection, ...]


def sheet_columns(outcome: Outcome, models: Sequence[str]) -> tuple[Standing, ...]:
    """Return the columns of the sheet: the parents, the best FLAT mix, the finalists."""
    parents = [one for one in outcome.baselines if one.label in models]
    flats = [one for one in outcome.baselines if one.label not in models and one.value is not None]
    best = max(flats, key=lambda one: one.value or 0.0, default=None)
    return (*parents, *([best] if best else []), *outcome.finalists)


def sheet_rows(study: Snapshot, columns: Sequence[Standing]) -> tuple[SheetRow, ...]:
    """Return the rows of the sheet: every held-out prompt and seed."""
    return tuple(
        SheetRow(
            prompt=shot.prompt,
            seed=shot.seed,
            pictures=tuple(
                SheetPicture(
                    name=f"p-{one.candidate.key[:20]}.{index}", width=shot.picture_size[0], height=shot.picture_size[1]
                )
                if _is_made(study, one, index)
                else None
                for one in columns
            ),
        )
        for index, shot in enumerate(study.spec.shots.proof)
    )


def _is_made(study: Snapshot, standing: Standing, index: int) -> bool:
    """Whether a recipe has the picture of a held-out shot: all of them but those that were given up."""
    shots = study.spec.shots.proof
    if not 0 < standing.pictures < len(shots):
        return True
    folder, file = study.spec.storage.folder, f"{index:03d}.png"
    return kept_folder(folder, standing.candidate.key[:20], shots_key(shots), file) is not None


def shown_finalists(study: Snapshot, outcome: Outcome, rejections: Sequence[Rejection]) -> tuple[ShownFinalist, ...]:
    """Return the finalists of a proof, the best first."""
    return tuple(
        ShownFinalist(
            number=number,
            standing=one,
            leads=tuple(_lead(comparison, outcome) for comparison in one.comparisons),
            words=recipe_words(one.candidate.recipe),
            pins=tuple(pin for pin in study.pins if (pin.recipe, pin.vae) == (one.recipe, one.vae)),
            rejections=tuple(no for no in rejections if (no.recipe, no.vae) == (one.recipe, one.vae)),
        )
        for number, one in enumerate(outcome.finalists, start=1)
    )


def _lead(comparison: Comparison, outcome: Outcome) -> Lead:
    return Lead(
        against=comparison.against,
        mean=comparison.mean,
        low=comparison.low,
        high=comparison.high,
        won=comparison.pictures_won,
        pictures=comparison.pictures,
        level=comparison.level(outcome.level),
    )
