"""A study file, resolved and in parts: absolute paths, every default filled in, shots and space built.

Functions take the part that they read. The whole, `StudySpec`, is for those few that put all parts together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Problem, value_text
from engine.footprint.options import ANYTHING, MemoryOptions
from engine.recipes.recipe import Recipe
from engine.shots.limits import SEED
from engine.shots.shot import Shot
from scorers.catalogue.sources import EncoderFiles
from search.history import Point, Slots
from search.plan import SearchPlan
from search.space.space import Space
from studies.candidate import Candidate
from studies.studyfile.space import frame_fingerprint, knob_fingerprint, package_fingerprint

if TYPE_CHECKING:
    from scorers.panel.settings import PanelSettings
    from search.shots import ShotRotation
    from search.suggester import Suggester

OWN_ENCODER = "clip"
"""The name, in the panel, of an encoder that the study file gives by its two files."""
TURNS = 5
"""More turns through the shots than the stages of a search take."""
SEED_DISTANCE = 1_000_003
"""Distance between the seeds of two turns through the shots: a prime, far from the steps people leave between seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where a study is described and kept."""

    file: Path
    """The study file itself."""
    name: str
    folder: Path
    """Where everything of the study is kept; may not exist yet."""
    url: str = ""
    """The database that keeps the trials, without a password; "": the journal in the folder."""
    artifacts: str = ""
    """Where pictures and features are kept for all machines: an address of S3, or a path; with ``url`` only."""
    keep: int | None = None
    """How many of the best trials keep their pictures; None: all trials do."""

    @property
    def hashes(self) -> Path:
        """The file where the hashes of the study's model files are remembered."""
        return self.folder / "hashes.json"

    @property
    def reference_features(self) -> Path:
        """The folder where the features of the reference pictures are kept."""
        return self.folder / "reference_features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What is merged, and in which number format."""

    models: Mapping[str, Path]
    """Path by letter, A first."""
    export_dtype: str = "fp16"
    """Number format of exported checkpoints; the search rounds to it, so that it sees what will be exported."""

    def fingerprint(self) -> dict[str, str]:
        """Return what makes trials comparable; the hashes of the models are added by the night."""
        return {"export dtype": self.export_dtype}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLook:
    """The look that the search is after."""

    sources: tuple[Path, ...]
    """The references as the file names them: folders or files."""
    references: tuple[Path, ...]
    """The reference pictures, those of a folder sorted by name; a path that leads nowhere stays as it is."""
    passed_over: tuple[Path, ...] = ()
    """What else lies in the folders: files of other kinds, folders."""
    like: str = ""
    """The look in words, or ""."""
    unlike: str = ""
    """What `like` is set against, in words; "" leaves it to the scorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What every picture is made with, beside the merged model and the shots: files, device, precision, memory."""

    vae: Path | None = None
    """The VAE file that decodes in place of the merged VAE; exports do not hold it."""
    vaes: Mapping[str, Path | None] = field(default_factory=dict[str, "Path | None"])
    """The VAE files that a trial may choose, by word; None is the merged VAE. Empty: there is no choice."""
    prediction: str = "auto"
    """What the UNets predict: auto, epsilon or v."""
    ztsnr: str = "auto"
    """Whether their noise levels end in pure noise: auto, on or off."""
    embeddings: Path | None = None
    """The folder of textual-inversion embeddings that prompts may name."""
    upscalers: Path | None = None
    """The folder of upscaler models that hires fix may name."""
    device: str = "auto"
    precision: str = "auto"
    memory: MemoryOptions = ANYTHING
    """What lies where while pictures are made."""
    speed: str = "auto"
    """How the UNet is called: auto, eager or compile."""
    hang_s: float | None = None
    """Seconds without a step after which work is taken for hung; None: by what was usual; 0: never."""
    device_sharers: int = 1
    """Workers that share the device, this one among them."""
    ram_sharers: int = 1
    """Workers that share main memory, this one among them."""

    @property
    def merges_vae(self) -> bool:
        """Whether pictures are decoded by the merged VAE, so that the models need one inside."""
        return self.vae is None and (not self.vaes or None in self.vaes.values())

    def engine_options(self) -> Mapping[str, Any]:
        """Return the arguments of `Engine.open` that this says, but for the VAE and what is expected."""
        return {
            "device": self.device,
            "precision": self.precision,
            "embeddings": self.embeddings,
            "upscalers": self.upscalers,
            "prediction": self.prediction,
            "ztsnr": self.ztsnr,
            "parents": self.memory.parents,
            "encoders": self.memory.encoders,
            "vae_precision": self.memory.vae_precision,
            "speed": self.speed,
        }

    def baseline(self, recipe: Recipe) -> Candidate:
        """Return a recipe to compare with, decoded by the VAE that the search starts with."""
        return Candidate(recipe=recipe, vae=next(iter(self.vaes), ""))

    def fingerprint(self) -> dict[str, str]:
        """Return what makes trials comparable; the hashes of VAEs, embeddings and upscalers are added by the night."""
        chosen = {
            "render.prediction": self.prediction,
            "render.ztsnr": self.ztsnr,
            "device.vae_precision": self.memory.vae_precision,
        }
        return {"device.precision": self.precision} | {name: word for name, word in chosen.items() if word != "auto"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyShots:
    """The shots of a study: those of its trials and those of its proof, which share no prompt with a seed."""

    trials: tuple[Shot, ...]
    """What trials render: each prompt with each of its seeds."""
    proof: tuple[Shot, ...]
    """What the finalists render."""
    trial_weights: tuple[float, ...] = ()
    """How much each of the trials' pictures counts; empty: all alike."""
    proof_weights: tuple[float, ...] = ()
    """How much each of the proof's pictures counts; empty: all alike."""
    lost_wildcards: tuple[Problem, ...] = ()
    """Wildcards that stay in the shots' texts because no list has their names, where the study file has them."""

    @property
    def every(self) -> tuple[Shot, ...]:
        """Those of the trials, then those of the proof."""
        return self.trials + self.proof

    @property
    def passes(self) -> tuple[Shot, ...]:
        """Every pass of every shot: hires fix renders a second one, maybe with a prompt of its own."""
        return tuple(one for shot in self.every for one in shot.passes)

    @property
    def shortest_side(self) -> int:
        """The shortest side of the trials' pictures, in pixels."""
        return min(min(shot.picture_size) for shot in self.trials)

    def drawn(self, slots: Sequence[int]) -> tuple[Shot, ...]:
        """Return the shots at some places; no place: all of them. Beyond the last one they come again, other seeds."""
        return tuple(self._shot_at(slot) for slot in slots) if slots else self.trials

    def _shot_at(self, slot: int) -> Shot:
        turn, place = divmod(slot, len(self.trials))
        shot = self.trials[place]
        return replace(shot, seed=seed_in_turn(shot.seed, turn)) if turn else shot

    def fresh(self, slots: Slots) -> Slots:
        """Return those places at which shots come again with other seeds, which no calibration recipe drew."""
        return tuple(slot for slot in slots if slot >= len(self.trials))

    @property
    def has_weights(self) -> bool:
        """Whether some pictures count more than others of the same set."""
        return len(set(self.trial_weights)) > 1 or len(set(self.proof_weights)) > 1

    @property
    def picture_weights(self) -> dict[tuple[str, int], float]:
        """How much the picture of a prompt and seed counts, with the seeds of every turn; empty: all count alike."""
        if not self.has_weights:
            return {}
        trials = zip(self.trials, self.trial_weights, strict=True)
        weights = {(one.prompt, seed_in_turn(one.seed, turn)): w for one, w in trials for turn in range(TURNS)}
        return weights | {(one.prompt, one.seed): w for one, w in zip(self.proof, self.proof_weights, strict=True)}

    @property
    def prompt_weights(self) -> dict[str, float]:
        """The trials' prompts with their weights, with the seed where a prompt has several; empty: all count alike."""
        if len(set(self.trial_weights)) < 2:
            return {}
        pairs = list(zip(self.trials, self.trial_weights, strict=True))
        first = {one.prompt: weight for one, weight in reversed(pairs)}
        first = {one.prompt: weight for one, weight in reversed(pairs)}
        several = {one.prompt for one, weight in pairs if weight != first[one.prompt]}
        return {one.prompt + f" (seed {one.seed})" * (one.prompt in several): weight for one, weight in pairs}

    @property
    def weights_text(self) -> str:
        """The weights of the trials' prompts, for people: `2 for "a cat", 1 for "a house"`; "" where all are alike."""
        return ", ".join(f"{weight:g} for {value_text(prompt, 40)}" for prompt, weight in self.prompt_weights.items())

    def fingerprint(self) -> dict[str, str]:
        """Return the trials' shots; the proof's make no trial wrong. Weights are the panel's business."""
        return {f"shot {number}": shot.text for number, shot in enumerate(self.trials, start=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What is searched, and how."""

    seed: int
    """The study's seed."""
    space: Space
    """What may vary; its frame says which family, dialect and merge mode."""
    plan: SearchPlan
    """How many trials each stage has, and by which sampler."""
    shots_per_trial: int
    """How many shots a trial draws; 0: as many as the measured noise asks for."""
    fresh_seeds: bool
    """Whether the shots come again with other seeds when stages have drawn them all."""
    racing: bool
    """Whether a trial draws no more pictures once it is clearly worse than the best one."""
    finalists: int
    simplify: int
    """Most simpler recipes that the proof tries; 0: none."""
    begin: tuple[str, ...] = ()
    """What the study begins with, as its file names it."""
    earlier: Path | None = None
    """The study file or folder of a finished study whose trials guide this one; its own folder: its probe does."""

    def candidate(self, point: Point) -> Candidate:
        """Return what a point of the space is rendered as."""
        return Candidate(recipe=self.space.decode(point), vae=self.space.words(point).get("vae", ""))

    def suggester(self, rotation: ShotRotation | None = None) -> Suggester:
        """Return what proposes the trials; `rotation` says which shots each stage draws, None: all."""
        from search.shots import ShotRotation
        from search.suggester import Suggester

        return Suggester(space=self.space, plan=self.plan, seed=self.seed, rotation=rotation or ShotRotation())

    def fingerprint(self) -> dict[str, str]:
        """Return what makes trials comparable; other counts of trials and finalists make no trial wrong."""
        settings = {"study.seed": str(self.seed), "search.calibration": str(self.plan.calibration)}
        frame, knobs = frame_fingerprint(self.space.frame), knob_fingerprint(self.space.knobs)
        return settings | frame | knobs | package_fingerprint(self.space)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What judges the pictures."""

    encoder: str | EncoderFiles
    """The encoder for style and prompts: name of a known one, or the files of another."""
    weights: Mapping[str, float]
    """Weight by scorer; one of weight 0 is only reported."""
    keep: frozenset[str] = frozenset()
    """Scorers that stay on even if their noise hides what the calibration recipes differ by."""
    folder: Path
    """Where published files of encoders and scorers are looked for by their names."""
    files: Mapping[str, Path]
    """Such files elsewhere, by name of their encoder or scorer."""
    here: Path
    """What the paths of plug-ins are relative to: the study file's folder."""
    precision: str = "fp32"
    """The number format that encoders run in."""
    time_limit_s: float
    """Seconds that one call of a plug-in may take; 0: as long as it likes."""
    trusted: frozenset[tuple[str, str]] | None = None
    """Files of plug-ins that may run, by path and SHA-256; None: all."""

    def panel_settings(self, target: TargetLook, shots: StudyShots) -> PanelSettings:
        """Return what the panel of scorers is opened with."""
        from scorers.panel.settings import PanelSettings
        from scorers.scoring.text_axis import NEUTRAL

        own = {} if isinstance(self.encoder, str) else {OWN_ENCODER: self.encoder}
        return PanelSettings(
            encoders=own,
            main=self.encoder if isinstance(self.encoder, str) else OWN_ENCODER,
            references=target.references,
            like=target.like,
            unlike=target.unlike or NEUTRAL,
            weights=dict(self.weights),
            keep=self.keep,
            folder=self.folder,
            files=self.files,
            here=self.here,
            trusted=self.trusted,
            precision=self.precision,
            time_limit_s=self.time_limit_s,
            render_size=shots.shortest_side,
            picture_weights=shots.picture_weights,
            prompt_weights=shots.prompt_weights,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationsSettings:
    """What a recipe is shown in after the search."""

    suite: Path | None = None
    """A folder of lists, or one list; None: the suite that ships."""
    frame: str = ""
    """The prompt around each line of the lists; "": none but those that lists have."""
    seeds: int = 8
    """Most seeds of a situation."""
    night: bool = False
    """Whether a night ends with the situations of its first finalist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """The whole study file."""

    storage: Storage
    merge: Merge
    target: TargetLook
    rendering: Rendering
    shots: StudyShots
    search: SearchSettings
    scoring: Scoring
    situations: SituationsSettings = SituationsSettings()
    settings_to_try: tuple[str, ...] = ()
    """Settings with the values to try for a recommendation, each as an axis of a plot is written."""
    notify: tuple[str, ...] = ()
    """The command that is told when a night ends, as its words; empty: none."""

    def panel_settings(self) -> PanelSettings:
        """Return what the panel of scorers is opened with."""
        settings = self.scoring.panel_settings(self.target, self.shots)
        waiting = self.rendering.memory.encoders == "host"
        return replace(settings, kept=self.storage.reference_features, wait_on_host=waiting)

    def fingerprint(self) -> dict[str, str]:
        """Return, by name, what makes trials comparable and so must not change on resume.

        The stages' trial counts, finalists, the proof and the device are left out: changing them makes no earlier trial
        wrong. The hashes of models, the VAE, embeddings and upscalers, and the version of the panel, which stands for
        references, words and scorers, are added by the night.
        """
        parts = (self.search, self.merge, self.rendering, self.shots)
        return {name: text for part in parts for name, text in part.fingerprint().items()}


def seed_in_turn(seed: int, turn: int) -> int:
    """Return the seed of a shot that comes again in turn 1, 2, ... through the shots."""
    return (seed + SEED_DISTANCE * turn) % (SEED[1] + 1)
