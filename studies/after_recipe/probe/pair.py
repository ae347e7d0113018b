"""Probing two checkpoints without a study: pictures alone, in a folder beside them.

There are no references, so there is no objective, and no encoder is needed: style and prompt fidelity are left out. All
other measures are those of a study's probe.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.architecture.widths import FamilyName
from engine.files import remove_left_behind
from engine.shots.shot import Shot
from search.space.build import build_space
from search.space.frame import RecipeFrame
from search.space.space import Space
from studies.after_recipe.probe.designs.plan import ProbeOptions, ProbePlan, named_base, plan_of
from studies.after_recipe.probe.picture_measures import Numbers, statistic_measures
from studies.after_recipe.probe.renders import PlannedRenders, Scored
from studies.candidate import Candidate
from studies.drawing.sheets import RgbPicture, as_bytes
from studies.errors import StudyError
from studies.limits.disk import disk_errors_named
from studies.limits.signals import termination_as_interrupt
from studies.pictures.sources import file_hashes, open_engine
from studies.results.probe import FOLDER, ProbedModel
from studies.store.backends.locks import held
from studies.store.renders import RenderStore
from studies.studyfile.space import family_of_files
from studies.studyfile.spec import StudyShots

if TYPE_CHECKING:
    from engine.engine import Engine

FORMAT = "fp16"
"""Number format of what is built, as of merged checkpoints."""
SIZES: dict[FamilyName, int] = {"sd1": 512, "sd2": 768, "sdxl": 1024}
"""Side of a picture in pixels, by family, where nobody asks for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPair:
    """Two checkpoints of a family.

    Attributes:
        models: path by letter, A and B.
        hashes: SHA-256 by letter.
        family: of both.
        folder: where everything is kept; None: beside A.
        vae: the VAE that decodes; None: the merged one.
        device: as a study names it.
    """

    models: Mapping[str, Path]
    hashes: Mapping[str, str]
    family: FamilyName
    folder: Path | None = None
    vae: Path | None = None
    device: str = "auto"

    @property
    def name(self) -> str:
        """Both names, without endings."""
        return "-".join(path.stem for path in self.models.values())

    @property
    def place(self) -> Path:
        """The folder where everything is kept."""
        return self.folder or self.models["A"].parent / f"{self.name}-probe"

    @property
    def space(self) -> Space:
        """All mixes of the two; nothing is said of multipliers and Adjust values."""
        return build_space(frame=RecipeFrame(family=self.family), bounds={"BASE": (0.0, 1.0)})


def family_of_pair(models: Mapping[str, Path]) -> FamilyName:
    """Return the family of two checkpoints.

    Raises:
        StudyError: one has none that is known, or they differ.
    """
    families: dict[Path, FamilyName | None] = {path: family_of_files([path]) for path in models.values()}
    for path, family in families.items():
        if family is None:
            raise StudyError("is no checkpoint of a known family", place=(path,), remedy="take SD1, SD2 or SDXL")
    known: list[FamilyName] = [family for family in families.values() if family is not None]
    if len({*known}) > 1:
        named = " and ".join(f"{path.name} is {family}" for path, family in families.items())
        raise StudyError(f"only models of one family can be mixed: {named}", remedy="take two of one family")
    return known[0]


def pair_plan(pair: CheckpointPair, shots: Sequence[Shot], options: ProbeOptions) -> ProbePlan:
    """Return what a probe of two checkpoints renders.

    Args:
        pair: the checkpoints.
        shots: the prompts; with other seeds they come again.
        options: what a person asks for.

    Raises:
        StudyError, RecipeError: as `studies.after_recipe.probe.designs.plan.planned_probe`.
    """
    space = pair.space
    return plan_of(named_base(options.base, space), space, StudyShots(trials=tuple(shots), proof=()), options)


@dataclass(slots=True, kw_only=True)
class PairRenders(PlannedRenders):
    """The renders of two checkpoints.

    Attributes:
        pair: the checkpoints.
        engine: builds and renders their mixes.
        vae_hash: SHA-256 of the VAE that decodes; "" for the merged one.
    """

    pair: CheckpointPair
    engine: Engine
    vae_hash: str = ""
    _count: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """Name of the pair."""
        return self.pair.name

    @property
    def models(self) -> tuple[ProbedModel, ...]:
        """The two checkpoints."""
        hashes = self.pair.hashes
        return tuple(
            ProbedModel(letter=letter, name=path.name, sha256=hashes[letter])
            for letter, path in self.pair.models.items()
        )

    @property
    def drawn(self) -> int:
        """Pictures that were rendered here."""
        return self._count

    @property
    def store(self) -> RenderStore:
        """The pair's renders."""
        stamp = [*self.pair.hashes.values(), self.vae_hash, FORMAT, self.engine.device.type]
        return RenderStore(self.pair.place, "\n".join(stamp))

    def make(self, candidate: Candidate, shots: tuple[Shot, ...]) -> None:
        """Render and keep; see `PlannedRenders.make`."""
        if self.store.pictures(candidate, shots) is None:
            self.engine.build(candidate.recipe)
            pictures = as_bytes(self.engine.render(shots))
            self._count += len(shots)
            self.store.keep_pictures(candidate, shots, pictures)

    def numbers(self, candidate: Candidate, *, twins: bool = False) -> dict[str, Numbers]:
        """The measures with a sign; see `PlannedRenders.numbers`."""
        return statistic_measures(
            _statistics([self.picture(candidate, shot, twins=twins) for shot in range(self.shots)])
        )

    def against_base(self, candidate: Candidate) -> Scored:
        """Return nothing: there is no objective."""
        del candidate
        return None, None


def _statistics(pictures: Sequence[RgbPicture]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Statistics of pictures, measured at the size that a panel would take."""
    import torch

    from scorers.extraction.statistics import measure, working_size

    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return measure(images, working_size([min(images.shape[-2:])])).numpy()


@contextmanager
def opened_pair(pair: CheckpointPair, plan: ProbePlan) -> Generator[PairRenders]:
    """Open two checkpoints to render a plan; no two commands do it in one folder at once.

    Raises:
        StudyError: another command is at it.
        EngineError: a checkpoint or the VAE cannot be used.
    """
    folder = pair.place
    folder.mkdir(parents=True, exist_ok=True)

    def busy() -> None:
        what = "another `recipe-search probe` is at work here"
        raise StudyError(what, place=(folder,), remedy="wait for it; what it rendered is used by the next one")

    vae_hash = file_hashes({"VAE": pair.vae})["VAE"] if pair.vae else ""
    with (
        termination_as_interrupt(),
        disk_errors_named(folder),
        held(folder, FOLDER, busy=busy),
        open_engine(pair.models, FORMAT, vae=pair.vae, device=pair.device) as engine,
    ):
        remove_left_behind(folder, below=True)
        yield PairRenders(pair=pair, plan=plan, engine=engine, vae_hash=vae_hash)
