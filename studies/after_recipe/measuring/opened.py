"""A study opened to measure recipes: engine, calibrated panel and kept renders, with or without a search before."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import EngineError, Named
from engine.files import remove_left_behind
from scorers.errors import ScorerError
from studies.after_recipe.measuring.subject import Subject
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.limits.disk import disk_errors_named
from studies.limits.signals import termination_as_interrupt
from studies.night.calibration import calibrate
from studies.night.continuing.fingerprint import inputs_of, refuse_changes
from studies.night.workshop import Workshop
from studies.store.backends.of_study import backend_of
from studies.store.storage import StudyStore
from studies.studyfile.spec import StudySpec

if TYPE_CHECKING:
    from rich.console import Console

    from engine.shots.shot import Shot
    from scorers.features import Features
    from scorers.panel.panel import Panel


@dataclass(slots=True, kw_only=True)
class Measuring:
    """What measures recipes.

    Attributes:
        spec: the study.
        store: its trials.
        hashes: SHA-256 of its models, by letter.
        workshop: of its models; its panel is calibrated.
    """

    spec: StudySpec
    store: StudyStore
    hashes: Mapping[str, str]
    workshop: Workshop
    _other: Workshop | None = field(default=None, init=False)
    _other_key: str = field(default="", init=False)
    _drawn_before: int = field(default=0, init=False)

    @property
    def panel(self) -> Panel:
        """The study's scorers, calibrated."""
        return self.workshop.panel

    @property
    def drawn(self) -> int:
        """How many pictures were rendered, and not taken from those that are kept."""
        return self._drawn_before + self.workshop.drawn + (self._other.drawn if self._other else 0)

    def make(self, subject: Subject, shots: Sequence[Shot], *, pictures: bool = True) -> Features:
        """Render a subject's shots, unless they are kept, and return their features.

        What is kept is found by the subject and the whole set of shots in their order, so give the same sets again.

        Args:
            subject: what to build.
            shots: what to render, with slots (prompt and seed) that differ.
            pictures: keep every single picture as well as the contact sheet.

        Raises:
            StudyError: a picture cannot be made or judged; it names the subject.
            KeyboardInterrupt: Ctrl+C; what was made before is kept.
        """
        try:
            return self.workshop_of(subject).make(subject.candidate, shots, pictures=pictures).features
        except (EngineError, ScorerError) as error:
            where = Named(subject.label)
            raise StudyError.of(problem.under(where) for problem in error.problems) from error

    def workshop_of(self, subject: Subject) -> Workshop:
        """The workshop that builds a subject: the study's, or one with an engine of the subject's own models.

        One of the latter is open at a time; all have the same panel.

        Raises:
            EngineError: the subject's models cannot be used.
        """
        if not subject.models:
            return self.workshop
        if self._other is None or self._other_key != subject.key:
            self._close_other()
            self._other = Workshop.beside(
                self.workshop, self.spec, subject.models, subject.hashes, round_to=subject.round_to
            )
            self._other_key = subject.key
        return self._other

    def _close_other(self) -> None:
        if self._other is not None:
            self._drawn_before += self._other.drawn
            self._other.close()
            self._other = None

    def close(self) -> None:
        """Free the device."""
        self._close_other()
        self.workshop.close()


@contextmanager
def measuring(spec: StudySpec, console: Console, *, name: str) -> Generator[Measuring]:
    """Open a study to measure recipes of it; what calibrates the panel is rendered where no night did.

    Args:
        spec: the study.
        console: takes the progress.
        name: of what is done, such as "situations"; no two of a name run in a study at once.

    Raises:
        StudyError: the study began with other inputs, or the same is at work already.
        EngineError: a model cannot be used.
        ScorerError: the panel cannot be opened or calibrated.
    """
    folder = spec.storage.folder
    folder.mkdir(parents=True, exist_ok=True)
    backend = backend_of(spec.storage)

    def busy() -> None:
        what = f"another `recipe-search {name}` is at work in this study"
        raise StudyError(what, place=(folder,), remedy="wait for it; what it rendered is used by the next one")

    with termination_as_interrupt(), disk_errors_named(folder), backend.held(name, busy):
        remove_left_behind(folder, below=True)
        with backend.held("hashes"):
            hashes = model_hashes(spec.merge, spec.storage)
        workshop = Workshop.open(spec, hashes, backend=backend)
        opened = None
        try:
            store = StudyStore(folder, spec.storage.name, backend=backend)
            refuse_changes(store, spec.storage, inputs_of(spec, hashes, workshop.panel), workshop)
            opened = Measuring(spec=spec, store=store, hashes=hashes, workshop=workshop)
            with backend.held("calibration", lambda: console.print("another worker calibrates the scorers; waiting")):
                calibrate(spec.merge, spec.search, spec.shots, workshop, store, console)
            yield opened
        finally:
            (opened or workshop).close()
