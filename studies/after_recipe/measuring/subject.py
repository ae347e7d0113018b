"""What is measured: a finalist, a pinned recipe, a recipe file, or a merged checkpoint as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.recipes.recipe import Recipe
from studies.candidate import MERGED_VAE, Candidate
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.pictures.sources import PictureSource, file_hashes, read_source
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.judged.pins import latest_pin
from studies.studyfile.spec import StudySpec

PINS = "pins"
"""Name of the folder of approved recipes in a study's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A recipe to measure.

    Attributes:
        label: for people: "pin 1", "finalist 2", the name of a file.
        candidate: what is built, and which VAE decodes it.
        models: path by letter, where they are not those of the study; empty: they are.
        round_to: number format of what is built, where the models are not those of the study.
        hashes: SHA-256 of these models, by letter.
    """

    label: str
    candidate: Candidate
    models: Mapping[str, Path] = field(default_factory=dict[str, Path])
    round_to: str = "fp16"
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def key(self) -> str:
        """Twelve hex digits that name it in paths: of the recipe, and of models that are not the study's."""
        return Candidate(recipe=self.candidate.recipe, vae="\n".join([self.candidate.vae, *self._others])).key[:12]

    @property
    def _others(self) -> list[str]:
        return [f"{letter} {digest}" for letter, digest in self.hashes.items()]


def subject_of(spec: StudySpec, *, finalist: int | None = None, file: Path | None = None) -> Subject:
    """Return what a person wants measured.

    Args:
        spec: the study.
        finalist: number of a finalist, from 1.
        file: a recipe file, or a merged checkpoint.

    Without either, the newest pin; where nothing is approved yet, the first finalist.

    Raises:
        StudyError: both are given, there is no such finalist, or nothing is approved or proved yet.
        RecipeError: the recipe file cannot be read.
        CheckpointError: the checkpoint cannot be read.
    """
    if file is not None:
        if finalist is not None:
            raise StudyError("a file and --finalist are both given", remedy="give one of them")
        return _subject_of_file(spec, file)
    if finalist is None and any((spec.storage.folder / PINS).glob("*.json")):
        pin = latest_pin(spec.storage.folder, study=spec.storage.name)
        return Subject(label=f"pin {pin.number}", candidate=Candidate(recipe=Recipe.parse(pin.recipe), vae=pin.vae))
    return finalist_subject(read_outcome(spec.storage.folder, spec.storage.name), 1 if finalist is None else finalist)


def finalist_subject(outcome: Outcome, number: int) -> Subject:
    """Return finalist 1, 2, ... of an outcome as something to measure.

    Raises:
        StudyError: there is no such finalist.
    """
    label, candidate = outcome.finalist(number)
    return Subject(label=f"finalist {number} ({label})", candidate=candidate)


def study_subject(label: str, candidate: Candidate) -> Subject:
    """Return a recipe of the study's own models, such as a parent or a FLAT mix, as something to measure."""
    return Subject(label=label, candidate=candidate)


def _subject_of_file(spec: StudySpec, file: Path) -> Subject:
    source = read_source(file, file_hashes)
    family = spec.search.space.frame.family
    if source.recipe.family != family:
        what = f"is of the family {source.recipe.family}, and the study's models are {family}"
        raise StudyError(what, place=(file,), remedy="take a recipe or checkpoint of the study's family")
    vae = MERGED_VAE if MERGED_VAE in spec.rendering.vaes else next(iter(spec.rendering.vaes), "")
    candidate = Candidate(recipe=source.recipe, vae=vae)
    hashes = file_hashes(source.models)
    if _is_of_the_study(spec, source, hashes):
        return Subject(label=file.name, candidate=candidate)
    return Subject(label=file.name, candidate=candidate, models=source.models, round_to=source.round_to, hashes=hashes)


def _is_of_the_study(spec: StudySpec, source: PictureSource, hashes: Mapping[str, str]) -> bool:
    """Whether a recipe takes the study's models, under their letters, and is rounded as the study's are."""
    if source.round_to != spec.merge.export_dtype:
        return False
    known = model_hashes(spec.merge, spec.storage)
    return all(known.get(letter) == digest for letter, digest in hashes.items())
