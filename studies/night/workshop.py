"""From a recipe to its features: build, render, measure, store; engine, panel and render store, open together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from engine.devices import device_of
from engine.errors import RenderError
from engine.shots.shot import Shot
from studies.candidate import Candidate
from studies.drawing import sheets
from studies.drawing.sheets import as_bytes
from studies.errors import StudyError
from studies.inputs.demand import expected
from studies.inputs.shot_files import ShotFiles
from studies.night.drawn import DrawnPictures
from studies.night.render_stamp import render_stamp
from studies.night.writer import Writer
from studies.store.backends.backend import Backend
from studies.store.backends.of_study import backend_of
from studies.store.renders import SHEET, RenderStore
from studies.studyfile.spec import StudySpec

if TYPE_CHECKING:
    import torch

    from engine.engine import Engine
    from scorers.features import Features
    from scorers.panel.panel import Panel

log = logging.getLogger(__name__)


class NotKeptError(StudyError):
    """A recipe's renders are not there, and may not be made now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """What a recipe was rendered to."""

    features: Features
    sheet: Path
    """Contact sheet of the pictures; where the workshop has a writer, it is there when the writer's next job begins."""
    seconds: dict[str, float]
    """Seconds of ``build``, ``render`` and ``look`` (features); empty if everything was kept from before."""


class Workshop:
    """Everything that turns a recipe into features on one device."""

    def __init__(
        self,
        panel: Panel,
        renders: RenderStore,
        device: torch.device,
        engine: Engine | None,
        vaes: Mapping[str, Path | None] | None = None,
        writer: Writer | None = None,
    ) -> None:
        """Use ``open`` instead, unless the parts are open already; ``vaes`` as in ``Rendering``, the engine's first."""
        self.panel = panel
        self.renders = renders
        self.device = device
        self._engine = engine
        self._vaes = dict(vaes or {})
        self._decoder = next(iter(self._vaes), "")
        self._writer = writer
        self._in_writing: Path | None = None
        self.drawn = 0
        """Pictures that were rendered here."""
        self.before_rendering: Callable[[], None] = lambda: None
        """Called before a recipe is built to be rendered; may wait, or end the night."""
        self.has_time: Callable[[], bool] = lambda: True
        """Whether there is time for another recipe that the night can do without."""

    @classmethod
    def open(
        cls,
        spec: StudySpec,
        models: dict[str, str],
        *,
        kept_on: str = "",
        writer: Writer | None = None,
        backend: Backend | None = None,
    ) -> Self:
        """Load the parents and the encoders; or, for renders that are kept, the encoders alone.

        Args:
            spec: the study.
            models: SHA-256 of every model file, by letter.
            kept_on: kind of device ("cpu", "cuda") that the kept renders were made on; nothing can be rendered then.
            writer: writes pictures and features while the next ones are rendered; None: they are written at once.
            backend: of the study; None: as its file says.

        Raises:
            EngineError: a checkpoint or the VAE cannot be used.
            ScorerError: the encoder or the references cannot be used.
        """
        from engine.engine import Engine
        from scorers.panel.panel import Panel

        rendering = spec.rendering
        engine = None
        if not kept_on:
            engine = Engine.open(
                spec.merge.models,
                round_to=spec.merge.export_dtype,
                vae=rendering.vae or next(iter(rendering.vaes.values()), None),
                expects=expected(spec),
                **rendering.engine_options(),
            )
        device = engine.device if engine is not None else device_of(rendering.device)
        planned = engine.planned if engine is not None else None
        settings = replace(spec.panel_settings(), wait_on_host=planned is not None and planned.form.waits)
        # So that other workers find their features kept. Who only looks takes no lock: the folder may be read-only.
        backend = backend or backend_of(spec.storage)
        with nullcontext() if kept_on else backend.held("references"):
            panel = Panel.open(settings, device=str(device))
        renders = RenderStore(
            spec.storage.folder,
            render_stamp(spec.storage, spec.merge, rendering, spec.shots, models, kept_on or device.type),
            backend.files,
            ShotFiles(rendering, spec.shots).words,
        )
        return cls(panel, renders, device, engine, rendering.vaes, writer)

    @classmethod
    def beside(
        cls, other: Workshop, spec: StudySpec, models: Mapping[str, Path], hashes: Mapping[str, str], *, round_to: str
    ) -> Self:
        """Load other models beside those of an open workshop, whose panel judges these too.

        Args:
            other: what is open.
            spec: its study, which says how pictures are made and where they are kept.
            models: path by letter.
            hashes: SHA-256 of these files, by letter.
            round_to: number format of what is built.

        Raises:
            EngineError: a checkpoint or the VAE cannot be used.
        """
        from engine.engine import Engine

        rendering = spec.rendering
        vae = rendering.vae or next(iter(rendering.vaes.values()), None)
        engine = Engine.open(models, round_to=round_to, vae=vae, expects=expected(spec), **rendering.engine_options())
        merge = replace(spec.merge, models=dict(models), export_dtype=round_to)
        stamp = render_stamp(spec.storage, merge, rendering, spec.shots, hashes, other.device.type)
        return cls(other.panel, other.renders.under(stamp), other.device, engine, rendering.vaes, other._writer)

    def watch(self, beat: Callable[[], None], before_rendering: Callable[[], None]) -> None:
        """Have something called at every step of rendering, and something before a recipe is built to be rendered."""
        if self._engine is not None:
            self._engine.on_step(beat)
        self.before_rendering = before_rendering

    @property
    def can_render(self) -> bool:
        """Whether recipes whose renders are not kept can be rendered."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """What builds and renders.

        Raises:
            NotKeptError: this workshop was opened for renders that are kept.
        """
        if self._engine is None:
            raise NotKeptError("a recipe has to be rendered", remedy="`recipe-search run` does")
        return self._engine

    def make(
        self, candidate: Candidate, shots: Sequence[Shot], *, among: Sequence[Shot] = (), pictures: bool = False
    ) -> RenderResult:
        """Build and render a candidate, unless its renders of these shots are kept already.

        Args:
            candidate: what to build, and which VAE decodes it.
            shots: what to render.
            among: more shots; where its renders of all these are kept, those of `shots` are taken from them.
            pictures: keep every single picture as well as the contact sheet.

        Raises:
            RenderError: a picture came out as NaN or infinity.
            NotKeptError: it has to be rendered, and this workshop was opened for renders that are kept.
            OSError: what was rendered before could not be written.
        """
        place = self.renders.place(candidate, shots)
        self._wait_for(place, self.renders.place(candidate, among))
        kept = self.renders.load(candidate, shots, self.panel.observer.versions)
        if kept is not None and self._has_pictures(candidate, shots, single=pictures):
            return RenderResult(features=self.panel.reviewed(kept), sheet=place / SHEET, seconds={})
        whole = self.renders.load(candidate, among, self.panel.observer.versions) if among and not pictures else None
        if whole is not None and self._has_pictures(candidate, among, single=False):
            taken = self.panel.reviewed(whole).take([among.index(shot) for shot in shots])
            return RenderResult(features=taken, sheet=self.renders.place(candidate, among) / SHEET, seconds={})
        built = self._built(candidate)
        drawn = self._drawn(shots)
        return self._kept(candidate, shots, drawn, {"build": built, **drawn.seconds}, pictures=pictures)

    def make_until(
        self,
        candidate: Candidate,
        shots: Sequence[Shot],
        order: Sequence[int],
        looks: Sequence[int],
        is_lost: Callable[[Features], bool],
    ) -> tuple[RenderResult, tuple[int, ...]]:
        """Build a candidate and render its shots in pieces, until it is lost; or take kept renders that come to that.

        Args:
            candidate: what to build, and which VAE decodes it.
            shots: what to render.
            order: the places of the shots, in the order in which they are drawn.
            looks: after how many pictures to ask whether it is lost.
            is_lost: is given the features of the pictures so far.

        Returns:
            The renders, and the places of the shots that were drawn, in the order of ``shots``.

        Raises:
            RenderError: as ``make``.
            OSError: as ``make``.
        """
        ends = (*looks, len(shots))
        pieces = [[shots[place] for place in sorted(order[:count])] for count in ends]
        self._wait_for(*(self.renders.place(candidate, piece) for piece in pieces))
        for count in reversed(ends):
            places = tuple(sorted(order[:count]))
            some = [shots[place] for place in places]
            kept = self.renders.load(candidate, some, self.panel.observer.versions)
            if kept is None or not self._has_pictures(candidate, some, single=False):
                continue
            features = self.panel.reviewed(kept)
            if count == len(shots) or is_lost(features):  # else it was lost to another trial than today's best
                sheet = self.renders.place(candidate, some) / SHEET
                return RenderResult(features=features, sheet=sheet, seconds={}), places
        built, start = self._built(candidate), ends[0]
        whole = self._drawn([shots[place] for place in order[:start]])
        for end in ends[1:]:
            if is_lost(whole.features):
                break
            whole = whole.followed_by(self._drawn([shots[place] for place in order[start:end]]))
            start = end
        places = tuple(sorted(order[:start]))
        drawn = whole.sorted_by(order)
        seconds = {"build": built, **drawn.seconds}
        return self._kept(candidate, [shots[place] for place in places], drawn, seconds, pictures=False), places

    def keeps(self, candidate: Candidate, shots: Sequence[Shot], places: Sequence[int]) -> bool:
        """Whether a candidate's features and single pictures of some of these shots are kept, by their places."""
        if not self.renders.has_pictures(candidate, shots, places):
            return False
        sets = ([shots[place] for place in places], shots)
        return any(self.renders.load(candidate, one, self.panel.observer.versions) is not None for one in sets)

    def make_part(self, candidate: Candidate, shots: Sequence[Shot], places: Sequence[int]) -> Features:
        """Build and render some of the shots, unless they are kept; every single picture is kept among those of all.

        Args:
            candidate: what to build, and which VAE decodes it.
            shots: all that the recipe may come to.
            places: of those that are rendered now.

        Returns:
            The pictures' features, in the order of the places. Errors are those of ``make``.
        """
        some, versions = [shots[place] for place in places], self.panel.observer.versions
        place = self.renders.place(candidate, some)
        self._wait_for(place, self.renders.place(candidate, shots))
        if self.renders.has_pictures(candidate, shots, places):
            if (kept := self.renders.load(candidate, some, versions)) is not None:
                return self.panel.reviewed(kept)
            if (whole := self.renders.load(candidate, shots, versions)) is not None:
                return self.panel.reviewed(whole).take(list(places))
        self._built(candidate)
        drawn = self._drawn(some)

        def keep() -> None:
            place.mkdir(parents=True, exist_ok=True)
            self.renders.keep_pictures(candidate, shots, drawn.pictures, places)
            self.renders.keep(candidate, some, drawn.features)  # last: what is kept is complete

        self._write(place, keep)
        return drawn.features

    def keep_whole(self, candidate: Candidate, shots: Sequence[Shot], features: Features) -> None:
        """Keep the features of all shots, whose pictures were made in parts, as ``make`` would have kept them."""
        keep = partial(self.renders.keep_whole, candidate, shots, features, self.panel.observer.versions)
        self._write(self.renders.place(candidate, shots), keep)

    def _built(self, candidate: Candidate) -> float:
        """Make the live model the candidate's; the seconds that took."""
        self.before_rendering()
        started = time.perf_counter()
        self.engine.build(candidate.recipe)
        self._decode_with(candidate.vae)
        return time.perf_counter() - started

    def _rendered(self, shots: Sequence[Shot]) -> torch.Tensor:
        """Pictures of the recipe built last; where memory runs out, the scorers' encoders leave the device for good."""
        import torch

        try:
            return self.engine.render(shots)
        except RenderError as error:
            if not isinstance(error.__cause__, torch.OutOfMemoryError) or not self.panel.wait_on_host():
                raise
        log.info("the device is too full to render; from now on the scorers' encoders wait in main memory")
        return self.engine.render(shots)

    def _drawn(self, shots: Sequence[Shot]) -> DrawnPictures:
        """Pictures of the recipe built last, and their features."""
        started = time.perf_counter()
        images = self._rendered(shots)
        self.drawn += len(shots)
        rendered = time.perf_counter()
        features = self.panel.features(images, [shot.prompt for shot in shots], [shot.seed for shot in shots])
        looked = time.perf_counter()
        seconds = {"render": rendered - started, "look": looked - rendered}
        return DrawnPictures(features=features, pictures=as_bytes(images), seconds=seconds)

    def _kept(
        self,
        candidate: Candidate,
        shots: Sequence[Shot],
        drawn: DrawnPictures,
        seconds: dict[str, float],
        *,
        pictures: bool,
    ) -> RenderResult:
        """Have what was drawn written."""
        place = self.renders.place(candidate, shots)

        def keep() -> None:
            place.mkdir(parents=True, exist_ok=True)
            sheets.grid(drawn.pictures, place / SHEET)
            if pictures:
                self.renders.keep_pictures(candidate, shots, drawn.pictures)
            self.renders.keep(candidate, shots, drawn.features)  # last: what is kept is complete

        self._write(place, keep)
        return RenderResult(features=drawn.features, sheet=place / SHEET, seconds=seconds)

    def _write(self, place: Path, job: Callable[[], None]) -> None:
        """Do what writes to a folder: beside the next rendering, after everything that came before it is written."""
        if self._writer is None:
            job()
        else:
            self.settle()
            self._writer.submit(job)
            self._in_writing = place

    def _wait_for(self, *places: Path) -> None:
        """Wait until what is being written is there, where it is in one of some folders."""
        if self._in_writing in places:
            self.settle()

    def settle(self) -> None:
        """Wait until everything that was made is written.

        Raises:
            OSError: something could not be written.
        """
        if self._writer is not None:
            self._writer.settle()
        self._in_writing = None

    def _has_pictures(self, candidate: Candidate, shots: Sequence[Shot], *, single: bool) -> bool:
        """Whether the pictures of kept features are whole, or need not be, since nothing can be rendered."""
        if single:
            return self.renders.pictures(candidate, shots) is not None
        return not self.can_render or self.renders.has_sheet(candidate, shots)

    def add_vaes(self, vaes: Mapping[str, Path | None]) -> None:
        """Let candidates name more VAEs than the study chooses among; words that are known stay what they are."""
        self._vaes = {**vaes, **self._vaes}

    def _decode_with(self, vae: str) -> None:
        if vae != self._decoder:
            self.engine.use_vae(self._vaes[vae])
            self._decoder = vae

    def close(self) -> None:
        """Free the device."""
        if self._engine is not None:
            self._engine.close()
