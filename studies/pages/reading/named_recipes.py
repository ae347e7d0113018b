"""Recipes by the names that addresses have for them, and which pictures of each are kept, by shot.

Names: ``17`` is trial 17; ``A``, ``B``, ``FLAT_50`` what finalists are compared with; ``f1`` finalist 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.shots.shot import Shot
from studies.candidate import Candidate
from studies.night.proving.baselines import baselines_of
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trial_sheets import sheet_shots
from studies.pages.reading.trials import ShownTrial
from studies.store.judged.outcome import Standing
from studies.store.renders import SHEET, kept_folder, shots_key

RecipeKind = Literal["trial", "baseline", "finalist"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecipe:
    """A recipe that pages show beside others."""

    name: str
    """In addresses."""
    kind: RecipeKind
    candidate: Candidate
    trials: tuple[ShownTrial, ...]
    """That tried it, the one it is named after first."""
    standing: Standing | None
    """Its result on held-out pictures, where it was proved."""

    @property
    def scored(self) -> ShownTrial | None:
        """The first of its trials that has a score."""
        return next((trial for trial in self.trials if trial.score is not None), None)

    @property
    def sheet(self) -> ShownTrial | None:
        """The first of its trials that has a contact sheet."""
        return next((trial for trial in self.trials if trial.sheet is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPicture:
    """One picture of a recipe."""

    name: str
    """As `studies.pages.reading.pictures` has it."""
    shot: Shot
    is_held_out: bool
    """Whether it is of the proof."""


def baseline_names(study: Snapshot) -> tuple[str, ...]:
    """Return the names of what finalists are compared with: the models, then the FLAT mixes."""
    known = baselines_of(study.spec.search, study.spec.rendering)
    return tuple(dict.fromkeys([*known, *(one.label for one in _proved_baselines(study))]))


def _proved_baselines(study: Snapshot) -> tuple[Standing, ...]:
    """What finalists were compared with, which includes the best FLAT mix of the line."""
    return study.outcome.baselines if study.outcome else ()


def finalist_names(study: Snapshot) -> tuple[str, ...]:
    """Return the names of the finalists, the best first; none before a proof."""
    return tuple(f"f{number}" for number in range(1, len(study.outcome.finalists) + 1)) if study.outcome else ()


def named_recipe(study: Snapshot, name: str) -> NamedRecipe | None:
    """Return a recipe by its name; None where the study has none of that name, or its record does not say it.

    Raises:
        RecipeError: the record of the trial is damaged.
    """
    if name.isascii() and name.isdigit() and len(name) < 10:
        trial = study.by_number.get(int(name))
        known = None if trial is None else trial.candidate
        return None if known is None else _named(study, str(int(name)), "trial", known)
    if name in finalist_names(study) and study.outcome:
        return _named(study, name, "finalist", study.outcome.finalists[int(name[1:]) - 1].candidate)
    proved = {one.label: one.candidate for one in _proved_baselines(study)}
    found = (proved | baselines_of(study.spec.search, study.spec.rendering)).get(name)
    return None if found is None else _named(study, name, "baseline", found)


def _named(study: Snapshot, name: str, kind: RecipeKind, candidate: Candidate) -> NamedRecipe:
    identity = (candidate.recipe.key, candidate.vae)
    same = [trial for trial in study.trials if _identity(trial) == identity]
    same.sort(key=lambda trial: str(trial.number) != name)
    standings = (*study.outcome.baselines, *study.outcome.finalists) if study.outcome else ()
    standing = next((one for one in standings if (one.candidate.recipe.key, one.vae) == identity), None)
    return NamedRecipe(name=name, kind=kind, candidate=candidate, trials=tuple(same), standing=standing)


def _identity(trial: ShownTrial) -> tuple[str, str]:
    return str(trial.attributes.get("recipe_key", "")), str(trial.attributes.get("vae", ""))


def pictures_of(study: Snapshot, recipe: NamedRecipe) -> Mapping[str, ShotPicture]:
    """Return the pictures of a recipe by the keys of their shots: those of its trials, then others that are kept.

    Raises:
        StudyError: a contact sheet cannot be read.
    """
    found: dict[str, ShotPicture] = {}

    def add(name: str, shots: tuple[Shot, ...]) -> None:
        for index, shot in enumerate(shots):
            found.setdefault(shot.key, ShotPicture(name=f"{name}.{index}", shot=shot, is_held_out=False))

    for trial in recipe.trials:
        if trial.sheet is not None:
            add(f"t{trial.number}", sheet_shots(study, trial))
    key, proof = recipe.candidate.key, shots_key(study.spec.shots.proof)
    for shots, of_set in study.shot_sets.items():
        if shots != proof and kept_folder(study.spec.storage.folder, key, shots, SHEET):
            add(f"k-{key[:20]}-{shots}", of_set)
    if folder := kept_folder(study.spec.storage.folder, key, proof, "000.png"):
        for index, shot in enumerate(study.spec.shots.proof):
            if (folder / f"{index:03d}.png").is_file():
                found.setdefault(shot.key, ShotPicture(name=f"p-{key[:20]}.{index}", shot=shot, is_held_out=True))
    return found
