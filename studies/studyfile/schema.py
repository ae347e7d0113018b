"""The study file as it is written: one pydantic model a table, with ranges, defaults and an example for each key.

A value is checked here as far as it can be checked on its own; what concerns several values (a proof that shares a
shot with the search) is the business of `studies.studyfile.crosschecks`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from engine.shots.hires import Hires
from engine.shots.limits import CFG, CLIP_SKIP, ENSD, ETA, RNGS, S_NOISE, SCALE, STEPS
from engine.shots.samplers import AUTOMATIC, SAMPLERS
from search.plan import SAMPLERS as PROPOSERS
from studies.studyfile import validators as checks
from studies.studyfile.schema_merge import MergeTable, SpaceTable
from studies.studyfile.validators import (
    FileOwner,
    Scorer,
    Seeds,
    Side,
    StudyFileTable,
    Text,
    Trials,
    Weights,
)

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
PREDICTIONS = ("auto", "epsilon", "v")
DEFAULT_WEIGHTS = {"style": 1.0, "clip": 0.2, "stats": 0.3}
DEFAULT_ENCODER = "clip-l"
SCORERS_FOLDER = "models/scorers"
AUTO_SHOTS = 0
"""Stands for `auto`: as many shots per trial as the noise asks for."""
MOST_SEED = 2**32 - 1
"""Largest seed of a study: what numpy's and Optuna's generators take."""


class StudyTable(StudyFileTable):
    """`[study]`: the study's name, seed and folder."""

    name: Annotated[str, AfterValidator(checks.folder_name)] = Field(examples=["my-mix"])
    seed: int = Field(default=0, ge=0, le=MOST_SEED, examples=[0])
    folder: Text | None = Field(default=None, examples=["runs/my-mix"])


class ModelsTable(StudyFileTable):
    """`[models]`: the parents, as paths."""

    A: Text = Field(examples=["models/illustration.safetensors"])
    B: Text = Field(examples=["models/photo.safetensors"])
    C: Text | None = Field(default=None, examples=["models/base.safetensors"])

    @property
    def paths(self) -> dict[str, str]:
        """Path by letter, A first."""
        return {letter: path for letter, path in (("A", self.A), ("B", self.B), ("C", self.C)) if path is not None}


class TargetTable(StudyFileTable):
    """`[target]`: pictures of the wanted look, a folder or a list of files, and the look in words."""

    references: Annotated[list[Text], Field(min_length=1), BeforeValidator(checks.listed)] = Field(
        examples=["references"]
    )
    like: Text | None = Field(default=None, examples=["flat illustration, bold outlines"])
    unlike: Text | None = Field(default=None, examples=["photo"])


SAME = Hires()
"""A second pass at its defaults."""


class HiresTable(StudyFileTable):
    """`[render.hires]`: a second pass over every enlarged picture; empty texts mean what [render] says."""

    upscaler: Text = Field(default=SAME.upscaler, examples=["Latent"])
    scale: float = Field(default=SAME.scale, ge=SCALE[0], le=SCALE[1], examples=[2.0])
    resize: Annotated[list[int], AfterValidator(checks.resize)] = Field(default=[0, 0], examples=[[1024, 0], 1024])
    steps: int = Field(default=SAME.steps, ge=0, le=STEPS[1], examples=[10])
    denoise: Annotated[float, AfterValidator(checks.denoise)] = Field(default=SAME.denoise, examples=[0.5])
    sampler: Annotated[str, AfterValidator(checks.second_sampler)] = Field(default="", examples=["DPM++ 2M Karras"])
    schedule: Annotated[str, AfterValidator(checks.second_schedule)] = Field(default="", examples=["Karras"])
    cfg: float | None = Field(default=None, ge=CFG[0], le=CFG[1], examples=[7.0])
    prompt: str = Field(default="", examples=["a girl in a garden, detailed"])
    negative: str = Field(default="", examples=["lowres"])


class RenderTable(StudyFileTable):
    """`[render]`: how every picture is made."""

    width: Side = Field(default=512, examples=[512])
    height: Side = Field(default=512, examples=[512])
    steps: int = Field(default=20, ge=STEPS[0], le=STEPS[1], examples=[20])
    sampler: Annotated[str, AfterValidator(checks.sampler)] = Field(
        default=next(iter(SAMPLERS)), examples=["DPM++ 2M Karras"]
    )
    schedule: Annotated[str, AfterValidator(checks.schedule)] = Field(default=AUTOMATIC, examples=["Karras"])
    rng: Annotated[str, AfterValidator(checks.rng)] = Field(default=RNGS[0], examples=["NV"])
    eta: float | None = Field(default=None, ge=ETA[0], le=ETA[1], examples=[1.0])
    s_noise: float = Field(default=1.0, ge=S_NOISE[0], le=S_NOISE[1], examples=[1.0])
    ensd: int = Field(default=0, ge=ENSD[0], le=ENSD[1], examples=[31337])
    cfg: float = Field(default=7.0, ge=CFG[0], le=CFG[1], examples=[7.0])
    clip_skip: int = Field(default=1, ge=CLIP_SKIP[0], le=CLIP_SKIP[1], examples=[1])
    negative: str = Field(default="", examples=["lowres, bad anatomy"])
    vae: Text | None = Field(default=None, examples=["models/clear.vae.safetensors"])
    prediction: Annotated[str, AfterValidator(checks.one_of(PREDICTIONS, "prediction"))] = Field(
        default="auto", examples=["v"]
    )
    embeddings: Text | None = Field(default=None, examples=["embeddings"])
    wildcards: Text | None = Field(default=None, examples=["wildcards"])
    upscalers: Text | None = Field(default=None, examples=["upscalers"])
    hires: HiresTable | None = Field(default=None, examples=[{"upscaler": "Latent", "scale": 2.0}])


class PromptTable(StudyFileTable):
    """One `[[prompts]]`: a text and the seeds it is rendered with."""

    text: Text = Field(examples=["a girl in a garden"])
    negative: str | None = Field(default=None, examples=["lowres"])
    seeds: Seeds = Field(examples=[[1, 2]])


class ProofTable(StudyFileTable):
    """`[proof]`: what the finalists are rendered with and no trial has seen."""

    prompts: Annotated[list[Text], Field(min_length=1), AfterValidator(checks.different)] | None = Field(
        default=None, examples=[["a boy on a beach"]]
    )
    seeds: Seeds = Field(examples=[[101, 102]])


class SearchTable(StudyFileTable):
    """`[search]`: trials per stage, what they draw, where the search begins, who proposes, what goes to the proof."""

    groups: Trials = Field(default=10, examples=[10])
    blocks: Trials = Field(default=60, examples=[60])
    self_: Trials = Field(default=16, alias="self", examples=[16])
    adjust: Trials = Field(default=16, examples=[16])
    refine: Trials = Field(default=20, examples=[20])
    line: Trials = Field(default=3, examples=[3])
    calibration: Trials = Field(default=4, examples=[4])
    patience: Trials = Field(default=24, examples=[24])
    fresh_seeds: bool = Field(default=False, examples=[True])
    shots: Annotated[int, BeforeValidator(checks.shots_per_trial)] = Field(default=AUTO_SHOTS, examples=[8])
    begin: list[Text] = Field(default=[], examples=[["GRAD_V", "mine.toml"], "mine.toml"])
    start: Text | None = Field(default=None, examples=["mine.toml"])
    sampler: Annotated[str, AfterValidator(checks.one_of(PROPOSERS, "sampler"))] = Field(
        default="hill", examples=["hill"]
    )
    options: Annotated[dict[str, Any], AfterValidator(checks.sampler_options)] = Field(
        default={}, examples=[{"multivariate": True}, True]
    )
    finalists: int = Field(default=4, ge=1, le=50, examples=[4])
    simplify: int = Field(default=16, ge=0, le=1000, examples=[16])


class EncoderTable(StudyFileTable):
    """`[scorers] encoder`: an encoder of one's own, by its two files; or, as `known`, the name that was written."""

    config: str = Field(default="", examples=["ViT-L-14"])
    weights: str = Field(default="", examples=["models/mine.safetensors"])
    known: str = ""


class ScorersTable(StudyFileTable):
    """`[scorers]`: the encoder that looks at the pictures, what each scorer weighs, and where their files are."""

    encoder: Annotated[EncoderTable, BeforeValidator(checks.encoder)] = Field(
        default=EncoderTable(known=DEFAULT_ENCODER), examples=[DEFAULT_ENCODER]
    )
    folder: Text = Field(default=SCORERS_FOLDER, examples=[SCORERS_FOLDER])
    weights: Weights = Field(default=DEFAULT_WEIGHTS, examples=[DEFAULT_WEIGHTS, 1.0])
    keep: Annotated[list[Scorer], AfterValidator(checks.different), AfterValidator(checks.weighty)] = Field(
        default=[], examples=[["clip"], "clip"]
    )
    files: dict[FileOwner, Text] = Field(default={}, examples=[{"csd": "models/csd.bin"}, "models/csd.bin"])


class DeviceTable(StudyFileTable):
    """`[device]`: where the pictures are made, and in which number format."""

    device: Annotated[str, AfterValidator(checks.device)] = Field(default="auto", examples=["auto"])
    precision: Annotated[str, AfterValidator(checks.one_of(PRECISIONS, "precision"))] = Field(
        default="auto", examples=["auto"]
    )


class StudyTables(StudyFileTable):
    """The whole file."""

    study: StudyTable
    models: ModelsTable
    target: TargetTable
    render: RenderTable = Field(default=RenderTable())
    prompts: Annotated[list[PromptTable], Field(min_length=1)]
    proof: ProofTable
    merge: MergeTable = Field(default=MergeTable())
    space: SpaceTable = Field(default=SpaceTable())
    search: SearchTable = Field(default=SearchTable())
    scorers: ScorersTable = Field(default=ScorersTable())
    device: DeviceTable = Field(default=DeviceTable())
