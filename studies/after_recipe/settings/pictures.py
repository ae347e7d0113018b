"""The pictures of settings: rendered in fixed chunks, kept in the study's store, judged with its panel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError, Named
from engine.files import write_text
from scorers.errors import ScorerError
from studies.after_recipe.measuring.opened import Measuring
from studies.after_recipe.measuring.subject import Subject
from studies.after_recipe.settings.shots import JudgedShots
from studies.after_recipe.settings.vaes import NamedVae, vae_named, vae_of_word
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.night.workshop import Workshop
from studies.results.settings import PictureSettings
from studies.store.shapes import read_json

if TYPE_CHECKING:
    from engine.shots.shot import Shot
    from scorers.features import Features
    from studies.drawing.sheets import RgbPicture

SECONDS = "seconds.json"
"""The file of measured times in a subject's folder: what is kept is not measured again."""
_REMEDY = "delete it: times are measured again with new pictures"


class UnrenderedError(StudyError):
    """Pictures with some settings cannot be rendered here."""


@dataclass(kw_only=True)
class SettingsPictures:
    """Renders a subject with any settings.

    Attributes:
        measuring: the opened study.
        subject: what is rendered.
        judged: the prompts and seeds.
        vaes: what can decode, by name.
        folder: of the subject's results.
    """

    measuring: Measuring
    subject: Subject
    judged: JudgedShots
    vaes: Sequence[NamedVae]
    folder: Path
    _seconds: dict[str, float] | None = field(default=None, init=False)
    _used: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], init=False)

    @property
    def pictures(self) -> int:
        """How many different pictures were asked for, rendered now or before."""
        return len(self._used)

    def features(self, settings: PictureSettings, count: int) -> Features:
        """Return the features of the first pictures; those that are not kept are rendered.

        Args:
            settings: of the pictures.
            count: how many; the end of one of ``judged.chunks``.

        Raises:
            UnrenderedError: they cannot be rendered.
            StudyError: they cannot be judged.
        """
        from scorers.features import joined

        chunks = [(first, end) for first, end in self.judged.chunks if end <= count]
        return joined([self._chunk(settings, first, end) for first, end in chunks])

    def seconds(self, settings: PictureSettings) -> float | None:
        """Return the measured seconds of a picture; None where all were there before times were kept."""
        known = self._times()
        keys = [self._key(settings, first, end) for first, end in self.judged.chunks]
        found = [known[key] for key in keys if key in known]
        return sum(found) / len(found) if found else None

    def picture(self, settings: PictureSettings, number: int) -> RgbPicture | None:
        """Return one picture as it was kept, by its number among the judged shots; None where it is not there."""
        first, end = next((first, end) for first, end in self.judged.chunks if number < end)
        shots, candidate = self._shots(settings, first, end), self.candidate(settings)
        renders = self._workshop.renders
        found = renders.picture(candidate, shots, number - first)
        proof, shot = self.measuring.spec.shots.proof, shots[number - first]
        return found if found is not None or shot not in proof else renders.picture(candidate, proof, proof.index(shot))

    def candidate(self, settings: PictureSettings) -> Candidate:
        """Return the subject's recipe with the VAE of some settings."""
        vae = vae_named(settings.vae, self.vaes)
        return replace(self.subject.candidate, vae=self.subject.candidate.vae if vae is None else vae.word)

    def words(self, settings: PictureSettings) -> list[str]:
        """Return what names the files that pictures with some settings are made with: the VAE, and others by hash."""
        shots = self._shots(settings, 0, len(self.judged.shots))
        return [self.candidate(settings).vae, *self._workshop.renders.words(shots)]

    def _decoder(self, settings: PictureSettings) -> Path | None:
        """The file that decodes; None: the merged VAE."""
        vae = vae_named(settings.vae, self.vaes) or vae_of_word(self.subject.candidate.vae, self.vaes)
        return vae.path

    def _chunk(self, settings: PictureSettings, first: int, end: int) -> Features:
        shots, candidate, workshop = self._shots(settings, first, end), self.candidate(settings), self._workshop
        workshop.add_vaes({candidate.vae: self._decoder(settings)})
        proof = self.measuring.spec.shots.proof
        among = proof if set(shots) <= set(proof) else ()
        drawn, where = workshop.drawn, Named(self.subject.label)
        try:
            made = workshop.make(candidate, shots, among=among)
        except EngineError as error:
            raise UnrenderedError.of(problem.under(where) for problem in error.problems) from error
        except ScorerError as error:
            raise StudyError.of(problem.under(where) for problem in error.problems) from error
        if workshop.drawn > drawn:
            self._remember(self._key(settings, first, end), made.seconds["render"] / len(shots))
        self._used |= {(candidate.key, shot.key) for shot in shots}
        return made.features

    @property
    def _workshop(self) -> Workshop:
        """The subject's; it knows every VAE by its word."""
        workshop = self.measuring.workshop_of(self.subject)
        workshop.add_vaes({vae.word: vae.path for vae in self.vaes if not vae.reason})
        return workshop

    def _shots(self, settings: PictureSettings, first: int, end: int) -> list[Shot]:
        return [settings.applied_to(shot) for shot in self.judged.shots[first:end]]

    def _key(self, settings: PictureSettings, first: int, end: int) -> str:
        return f"{self._workshop.renders.key(self._shots(settings, first, end))} {self.candidate(settings).key[:20]}"

    def _times(self) -> dict[str, float]:
        if self._seconds is None:
            path = self.folder / SECONDS
            self._seconds = dict(read_json(path, {str: float}, _REMEDY)) if path.exists() else {}
        return self._seconds

    def _remember(self, key: str, seconds: float) -> None:
        times = self._times()
        times[key] = round(seconds, 4)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / SECONDS, json.dumps(times, indent=1) + "\n")
