"""The schema of a study file: one pydantic model a table, with ranges, defaults and an example for each key.

A value is checked here as far as it can be checked on its own; what concerns several values (a proof that shares a
shot with the search) is the business of `studies.studyfile.crosschecks`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from engine.architecture.prediction import ZTSNR
from engine.footprint.options import AUTO, ENCODERS, PARENTS, SPEEDS, VAE_PRECISIONS
from engine.shots.hires import Hires
from engine.shots.limits import CFG, CLIP_SKIP, ENSD, ETA, RNGS, S_NOISE, SCALE, STEPS
from engine.shots.samplers import AUTOMATIC, SAMPLERS
from scorers.scoring.watch import TIME_LIMIT_S
from search.plan import SAMPLERS as PROPOSERS
from search.plan import SURROGATE, sampler_of_today
from search.shots import FEWEST_SHOTS
from studies.studyfile.tables import validators as checks
from studies.studyfile.tables.places import artifacts_place, database_url
from studies.studyfile.tables.schema_measures import SettingsTable, SituationsTable
from studies.studyfile.tables.schema_merge import MergeTable, SpaceTable
from studies.studyfile.tables.schema_options import OptionsTable
from studies.studyfile.tables.validators import (
    FileOwner,
    FilePath,
    FilledText,
    PictureSide,
    ScorerName,
    ScorerWeights,
    ShotSeeds,
    StudyFileTable,
    TrialCount,
)

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
ENCODER_PRECISIONS = PRECISIONS[1:]
"""The number formats in which pictures can be computed; `auto` leaves it to the device."""
PREDICTIONS = ("auto", "epsilon", "v")
"""What a UNet can predict: noise (`epsilon`) or `v`; `auto` leaves it to the checkpoint."""
DEFAULT_WEIGHTS = {"style": 1.0, "clip": 0.2, "stats": 0.3}
"""The weight of each scorer, by name, where the study file gives none."""
DEFAULT_ENCODER = "clip-l"
"""The name of the encoder where the study file gives none."""
PromptWeight = Annotated[float, Field(ge=0.01, le=100)]
"""How much each picture of a prompt counts."""
SCORERS_FOLDER = "models/scorers"
"""The folder of published scorer files where the study file gives none, relative to it."""
AUTO_SHOTS = 0
"""Stands for `auto`: as many shots per trial as the noise asks for."""
MOST_SEED = 2**32 - 1
"""Largest seed of a study: what numpy's and Optuna's generators take."""


class StudyTable(StudyFileTable):
    """`[study]`: the study's name, seed and folder."""

    name: Annotated[str, AfterValidator(checks.folder_name)] = Field(examples=["my-mix"])
    """The name of the study, and of its folder unless `folder` names one."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED, examples=[0])
    """Another seed makes another search."""
    folder: FilePath | None = Field(default=None, examples=["runs/my-mix"])
    """Where everything of the study is kept; without it, `runs/<name>`."""
    storage: Annotated[str, AfterValidator(database_url)] | None = Field(
        default=None, examples=["postgresql+psycopg://me@server/recipes"]
    )
    """A PostgreSQL database that keeps the trials, for several machines; without it, a journal in the folder."""
    artifacts: Annotated[str, AfterValidator(artifacts_place)] | None = Field(
        default=None, examples=["s3://bucket/prefix"]
    )
    """Where pictures and features are kept for all machines: `s3://bucket/prefix`, or a shared folder."""
    keep: Annotated[int, BeforeValidator(checks.kept_trials)] = Field(
        default=0,
        examples=["best"],
        json_schema_extra={"accepts": '`"all"`, `"best"`, or whole number from 1', "default": "all"},
    )
    """How many of the best trials keep their pictures; `best`: 50. Scores and features are always kept."""
    notify: Annotated[list[str], BeforeValidator(checks.command)] = Field(
        default=[],
        examples=[["notify-send", "night ended"], "notify-send"],
        json_schema_extra={"accepts": "text, or list of texts"},
    )
    """A command that is run, without a shell, when a night ends or fails: [its facts](#the-command-at-the-end)."""


class ModelsTable(StudyFileTable):
    """`[models]`: the parents, as paths."""

    A: FilePath = Field(examples=["models/illustration.safetensors"])
    """Checkpoint A: a single `.safetensors` file of SD1, SD2 or SDXL."""
    B: FilePath = Field(examples=["models/photo.safetensors"])
    """Checkpoint B, of the same family."""
    C: FilePath | None = Field(default=None, examples=["models/base.safetensors"])
    """Checkpoint C, for the merge modes that take three models."""

    @property
    def paths(self) -> dict[str, str]:
        """Path by letter, A first."""
        return {letter: path for letter, path in (("A", self.A), ("B", self.B), ("C", self.C)) if path is not None}


class TargetTable(StudyFileTable):
    """`[target]`: pictures of the target look, a folder or a list of files, and the look in words."""

    references: Annotated[list[FilePath], Field(min_length=1), BeforeValidator(checks.listed)] = Field(
        examples=["references"], json_schema_extra={"accepts": "text, or list of texts"}
    )
    """Pictures of the target look: a folder, or a list of files. 8 to 40, of different subjects."""
    like: FilledText | None = Field(default=None, examples=["flat illustration, bold outlines"])
    """The target look in words."""
    unlike: FilledText | None = Field(default=None, examples=["photo"])
    """What it should not look like, in words."""


SAME = Hires()
"""A second pass at its defaults."""


class HiresTable(StudyFileTable):
    """`[render.hires]`: a second pass over every enlarged picture; empty texts mean what [render] says."""

    upscaler: FilledText = Field(default=SAME.upscaler, examples=["Latent"])
    """An upscaler's name as in the WebUI, or the name of a model file in `[render] upscalers`."""
    scale: float = Field(default=SAME.scale, ge=SCALE[0], le=SCALE[1], examples=[2.0])
    """How much larger the second pass is."""
    resize: Annotated[list[int], AfterValidator(checks.resize)] = Field(default=[0, 0], examples=[[1024, 0], 1024])
    """Width and height in place of `scale`; 0 for one of them keeps the proportions."""
    steps: int = Field(default=SAME.steps, ge=0, le=STEPS[1], examples=[10])
    """Steps of the second pass; 0: as many as the first."""
    denoise: Annotated[float, AfterValidator(checks.denoise)] = Field(default=SAME.denoise, examples=[0.5])
    """Denoising strength, from 0 to 1."""
    sampler: Annotated[str, AfterValidator(checks.second_sampler)] = Field(default="", examples=["DPM++ 2M Karras"])
    """Sampler of the second pass; empty: that of `[render]`."""
    schedule: Annotated[str, AfterValidator(checks.second_schedule)] = Field(default="", examples=["Karras"])
    """Its schedule; empty: that of `[render]`."""
    cfg: float | None = Field(default=None, ge=CFG[0], le=CFG[1], examples=[7.0])
    """Its CFG scale; without it, that of `[render]`."""
    prompt: str = Field(default="", examples=["a girl in a garden, detailed"])
    """Its prompt; empty: that of the first pass."""
    negative: str = Field(default="", examples=["lowres"])
    """Its negative prompt; empty: that of the first pass."""


class RenderTable(StudyFileTable):
    """`[render]`: how every picture is made."""

    width: PictureSide = Field(default=512, examples=[512])
    """Width in pixels, a multiple of 8."""
    height: PictureSide = Field(default=512, examples=[512])
    """Height in pixels, a multiple of 8."""
    steps: int = Field(default=20, ge=STEPS[0], le=STEPS[1], examples=[20])
    """Sampling steps."""
    sampler: Annotated[str, AfterValidator(checks.sampler)] = Field(
        default=next(iter(SAMPLERS)), examples=["DPM++ 2M Karras"]
    )
    """A sampler's name as in the WebUI; a name with its schedule, `DPM++ 2M Karras`, is read too."""
    schedule: Annotated[str, AfterValidator(checks.schedule)] = Field(default=AUTOMATIC, examples=["Karras"])
    """A schedule's name as in the WebUI; `Automatic` is each sampler's own."""
    rng: Annotated[str, AfterValidator(checks.rng)] = Field(default=RNGS[0], examples=["NV"])
    """Where noise comes from: `CPU`, or `NV` for what a WebUI on an NVIDIA card draws by default."""
    eta: float | None = Field(default=None, ge=ETA[0], le=ETA[1], examples=[1.0])
    """How much fresh noise the sampler adds, from 0 to 1; without it, the sampler's own."""
    s_noise: float = Field(default=1.0, ge=S_NOISE[0], le=S_NOISE[1], examples=[1.0])
    """Fresh noise is multiplied by it."""
    ensd: int = Field(default=0, ge=ENSD[0], le=ENSD[1], examples=[31337])
    """The WebUI's eta noise seed delta."""
    cfg: float = Field(default=7.0, ge=CFG[0], le=CFG[1], examples=[7.0])
    """CFG scale."""
    clip_skip: int = Field(default=1, ge=CLIP_SKIP[0], le=CLIP_SKIP[1], examples=[1])
    """Clip skip, as in the WebUI."""
    negative: str = Field(default="", examples=["lowres, bad anatomy"])
    """Negative prompt of every picture, unless a prompt has its own."""
    vae: FilePath | None = Field(default=None, examples=["models/clear.vae.safetensors"])
    """A VAE file that decodes pictures in place of the merged VAE."""
    prediction: Annotated[str, AfterValidator(checks.one_of(PREDICTIONS, "prediction"))] = Field(
        default="auto", examples=["v"]
    )
    """What the models predict: `epsilon`, `v`, or `auto`, which reads the marks of the files, tests the UNets of SD2,
    and takes others for `epsilon`."""
    ztsnr: Annotated[str, AfterValidator(checks.one_of(ZTSNR, "word"))] = Field(default="auto", examples=["on"])
    """Whether the noise levels end in pure noise (zero terminal SNR): `on`, `off`, or `auto`, which reads the marks of
    the files; for merges that lost them."""
    embeddings: FilePath | None = Field(default=None, examples=["embeddings"])
    """A folder of textual inversions, which prompts name by their files' names."""
    wildcards: FilePath | None = Field(default=None, examples=["wildcards"])
    """A folder of word lists for `__name__` in prompts; with it, `{a|b}` is read too."""
    upscalers: FilePath | None = Field(default=None, examples=["upscalers"])
    """A folder of upscaler models for hires fix."""
    hires: HiresTable | None = Field(default=None, examples=[{"upscaler": "Latent", "scale": 2.0}])
    """Hires fix: a second pass over every enlarged picture. Off unless the table is there."""
    options: OptionsTable | None = Field(default=None, examples=[{"emphasis": "No norm"}])
    """Settings of a WebUI that pictures usually leave alone."""


class PromptTable(StudyFileTable):
    """One `[[prompts]]`: a text and the seeds it is rendered with."""

    text: FilledText = Field(examples=["a girl in a garden"])
    """The prompt, read as in AUTOMATIC1111's WebUI."""
    negative: str | None = Field(default=None, examples=["lowres"])
    """Negative prompt of this prompt; without it, that of `[render]`."""
    seeds: ShotSeeds = Field(examples=[[1, 2]])
    """Seeds that the prompt is rendered with."""
    weight: PromptWeight = Field(default=1.0, examples=[2.0])
    """How much each of its pictures counts beside those of other prompts."""


class ProofTable(StudyFileTable):
    """`[proof]`: what the finalists are rendered with and no trial has seen."""

    prompts: Annotated[list[FilledText], Field(min_length=1), AfterValidator(checks.different)] | None = Field(
        default=None, examples=[["a boy on a beach"]]
    )
    """Prompts of the proof; without them, those of `[[prompts]]`."""
    seeds: ShotSeeds = Field(examples=[[101, 102]])
    """Seeds of the proof. No pair of prompt and seed may be one of the search's."""
    weights: list[PromptWeight] | None = Field(default=None, examples=[[2.0]])
    """How much each of the proof's `prompts` counts; without it, a text of `[[prompts]]` has its weight, others 1."""


class SearchTable(StudyFileTable):
    """`[search]`: trials per stage, what they draw, where the search begins, who proposes, what goes to the proof."""

    groups: TrialCount = Field(default=10, examples=[10])
    """Most trials that move groups of blocks, and more where all FLATs are alike; 0 leaves the stage out, as below."""
    blocks: TrialCount = Field(default=60, examples=[60])
    """Most trials of stage `blocks`: single blocks, and what the first ones show to matter of Self and Adjust."""
    self_: TrialCount = Field(default=16, alias="self", examples=[16])
    """Most trials of stage `self`: Self multipliers, and what else matters; 0: they rest until `refine`."""
    adjust: TrialCount = Field(default=16, examples=[16])
    """Most trials of stage `adjust`: Adjust values, and what else matters; 0: they rest until `refine`."""
    refine: TrialCount = Field(default=20, examples=[20])
    """Most trials that move everything that was found to matter, together."""
    line: TrialCount = Field(default=3, examples=[3])
    """FLAT ratios tried near the best one of 0, 0.25, 0.5, 0.75 and 1."""
    calibration: TrialCount = Field(default=4, examples=[4])
    """Random recipes that calibrate the scorers, beside the models and the FLAT mixes."""
    patience: TrialCount = Field(default=24, examples=[24])
    """A stage ends after so many trials without a gain; 0: it uses all its trials."""
    fresh_seeds: bool = Field(default=False, examples=[True])
    """When all shots have been drawn, they come again with new seeds. For long searches."""
    racing: bool = Field(default=False, examples=[True])
    """A trial that is clearly worse than the best one after 4, 8, ... pictures draws no more of them."""
    shots: Annotated[int, BeforeValidator(checks.shots_per_trial)] = Field(
        default=AUTO_SHOTS,
        examples=[8],
        json_schema_extra={"accepts": f'`"auto"`, or whole number from {FEWEST_SHOTS}', "default": "auto"},
    )
    """Pictures per trial; `auto`: as many as the measured noise asks for, 16 at most, others of them in every trial."""
    begin: Annotated[list[FilledText], BeforeValidator(checks.listed)] = Field(
        default=[],
        examples=[["GRAD_V", "mine.toml"], "mine.toml"],
        json_schema_extra={"accepts": "text, or list of texts"},
    )
    """Recipes to try first: presets, rows of weights, recipe files; `study:PATH`, a finished study; or `probe`."""
    start: FilledText | None = Field(default=None, examples=["mine.toml"])
    """The recipe that the stages after `flat` start from; without it, the best one so far."""
    sampler: Annotated[str, AfterValidator(sampler_of_today), AfterValidator(checks.one_of(PROPOSERS, "sampler"))] = (
        Field(default=SURROGATE, examples=[SURROGATE])
    )
    """Who proposes: `surrogate`, our own model (once `hill`), or `tpe`, `gp`, `cmaes`, `nsga2`, `qmc` or `random`."""
    options: Annotated[dict[str, Any], AfterValidator(checks.sampler_options)] = Field(
        default={}, examples=[{"multivariate": True}, True]
    )
    """Options of that sampler, as Optuna or the package cmaes names them."""
    finalists: int = Field(default=4, ge=1, le=50, examples=[4])
    """Recipes that go to the proof."""
    simplify: int = Field(default=16, ge=0, le=1000, examples=[16])
    """Simpler recipes tried on the winner; 0: none."""


class EncoderTable(StudyFileTable):
    """`[scorers] encoder`: an encoder of one's own, by its two files; or, as `known`, the name that was written."""

    config: str = Field(default="", examples=["ViT-L-14"])
    """The name of an architecture in open_clip, or a file with its configuration."""
    weights: str = Field(default="", examples=["models/mine.safetensors"])
    """The file of its weights."""
    known: str = ""
    """The name of a known encoder, which a study file gives in place of the table."""


class ScorersTable(StudyFileTable):
    """`[scorers]`: the encoder that looks at the pictures, what each scorer weighs, and where their files are."""

    encoder: Annotated[EncoderTable, BeforeValidator(checks.encoder)] = Field(
        default=EncoderTable(known=DEFAULT_ENCODER),
        examples=[DEFAULT_ENCODER],
        json_schema_extra={"accepts": "text, or table of two texts", "default": DEFAULT_ENCODER},
    )
    """The image and text encoder: the name of a known one, or two files, `{ config = "...", weights = "..." }`."""
    folder: FilePath = Field(default=SCORERS_FOLDER, examples=[SCORERS_FOLDER])
    """Where the files of encoders and scorers are looked for."""
    weights: ScorerWeights = Field(default=DEFAULT_WEIGHTS, examples=[DEFAULT_WEIGHTS, 1.0])
    """What each scorer counts; 0: it is only reported. Names of scorers, or `"file.py"`, `"file.py:Name"`."""
    keep: Annotated[list[ScorerName], AfterValidator(checks.different), AfterValidator(checks.weighty)] = Field(
        default=[], examples=[["clip"], "clip"]
    )
    """Scorers that calibration may not switch off."""
    files: dict[FileOwner, FilePath] = Field(default={}, examples=[{"csd": "models/csd.bin"}, "models/csd.bin"])
    """Files in other places than the folder."""
    precision: Annotated[str, AfterValidator(checks.one_of(ENCODER_PRECISIONS, "precision"))] = Field(
        default="fp32", examples=["fp16"]
    )
    """What encoders run in: `fp32`, `fp16` or `bf16`. It changes scores a little, so it stays for all of a study."""
    time_limit: float = Field(default=TIME_LIMIT_S, ge=0, le=86400, examples=[60])
    """Seconds that a scorer of your own may take for the pictures of a recipe before it is stopped; 0: no limit."""


class DeviceTable(StudyFileTable):
    """`[device]`: where the pictures are made, and how memory is used."""

    device: Annotated[str, AfterValidator(checks.device)] = Field(default="auto", examples=["auto"])
    """`auto`, `cpu`, `cuda` or `cuda:1`; `auto` takes CUDA where it is there."""
    precision: Annotated[str, AfterValidator(checks.one_of(PRECISIONS, "precision"))] = Field(
        default="auto", examples=["auto"]
    )
    """`fp32`, `fp16`, `bf16`, or `auto`: fp16 on CUDA, fp32 on a CPU."""
    parents: Annotated[str, AfterValidator(checks.one_of(PARENTS, "place"))] = Field(default=AUTO, examples=[AUTO])
    """Where the parents lie: `device`, `host` (main memory), `disk` (their files), or `auto`, the nearest with room."""
    encoders: Annotated[str, AfterValidator(checks.one_of(ENCODERS, "place"))] = Field(default=AUTO, examples=[AUTO])
    """Where encoders and VAE wait while others work: `device`, `host`, or `auto`, on the device if they fit."""
    vae_precision: Annotated[str, AfterValidator(checks.one_of(VAE_PRECISIONS, "precision"))] = Field(
        default=AUTO, examples=[AUTO]
    )
    """The VAE's format: `fp32`, `fp16`, `bf16`, or `auto`: fp32, and fp16 if memory is too short for that."""
    speed: Annotated[str, AfterValidator(checks.one_of(SPEEDS, "choice"))] = Field(default=AUTO, examples=[AUTO])
    """How the UNet is called: `eager`, as it is; `compile`, compiled, on a GPU recorded too; `auto` is `eager`."""
    hung_after: Annotated[float | None, BeforeValidator(checks.minutes_of_silence)] = Field(
        default=None,
        examples=[30],
        json_schema_extra={"accepts": f'`"{AUTO}"`, or number from 0 to 10000', "default": AUTO},
    )
    """Minutes without a step after which a night takes its work for hung, and begins again; 0: never."""


class StudyTables(StudyFileTable):
    """The whole file."""

    study: StudyTable
    """The study's name, seed and folder."""
    models: ModelsTable
    """The checkpoints to merge: files of one family, with text encoder and VAE inside."""
    target: TargetTable
    """The look to search for."""
    render: RenderTable = Field(default=RenderTable())
    """How every picture is made."""
    prompts: Annotated[list[PromptTable], Field(min_length=1)]
    """What every candidate draws: one such table a prompt, as often as you like."""
    proof: ProofTable
    """What only the finalists draw."""
    merge: MergeTable = Field(default=MergeTable())
    """What every trial does, in the words of recipe files."""
    space: SpaceTable = Field(default=SpaceTable())
    """The numbers and words that the search may change."""
    search: SearchTable = Field(default=SearchTable())
    """How long each stage is, where the search begins and who proposes."""
    scorers: ScorersTable = Field(default=ScorersTable())
    """What judges the pictures, and how much each scorer counts."""
    situations: SituationsTable = Field(default=SituationsTable())
    """What an approved recipe is shown in, to find where it is weak."""
    settings: SettingsTable = Field(default=SettingsTable())
    """What is tried to find the settings that suit an approved recipe."""
    device: DeviceTable = Field(default=DeviceTable())
    """Where pictures are made, in which number format, and what lies where meanwhile."""
