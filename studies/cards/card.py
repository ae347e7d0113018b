"""Everything that a recipe card says, as values; what is not known is empty, and is never made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from studies.drawing.sheets import RgbPicture
from studies.results.settings import SettingsResult
from studies.store.judged.outcome import Comparison

SHORT = 10
"""Digits of AutoV2, the short hash of the WebUI and of Civitai: the first ones of a file's SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardParent:
    """A model that the recipe takes."""

    letter: str
    """What the recipe calls it."""
    file: str
    """Name of its file; "" where it is not known."""
    sha256: str
    """"" where it is not known."""
    licence: str
    """As the person states it; "" where nobody did."""

    @property
    def autov2(self) -> str:
        """The short hash; "" where none is known."""
        return self.sha256[:SHORT]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCheckpoint:
    """The merged checkpoint that was exported of the recipe."""

    file: str
    sha256: str
    autov3: str
    """The first twelve digits of the SHA-256 of its tensors."""

    @property
    def autov2(self) -> str:
        """The short hash."""
        return self.sha256[:SHORT]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProof:
    """How the recipe did on held-out prompts and seeds."""

    leads: tuple[Comparison, ...]
    """Over every parent, then over the best FLAT mix; in units of the study's score."""
    level: str
    """Of the intervals, for people: `95 %`."""
    broken: tuple[str, ...] = ()
    """Why its pictures count as broken; empty where they do not."""
    warnings: tuple[str, ...] = ()
    """What to check before trusting the numbers, a sentence each."""
    notes: tuple[str, ...] = ()
    """What else to know of them, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPromise:
    """How the recipe did as a trial, on the pictures of the search: nothing is proved by that."""

    trial: int
    score: float
    error: float | None
    """Standard error of the score; None where it is not known."""
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """Pictures of one prompt and seed, one a column; None where the study keeps none."""

    prompt: str
    seed: int
    pictures: tuple[RgbPicture | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPictures:
    """The recipe beside its parents and the best FLAT mix, at equal prompts and seeds."""

    columns: tuple[str, ...]
    """Labels; the recipe's own, which is "", comes first."""
    rows: tuple[CardRow, ...]
    held_out: bool
    """Whether no trial has seen these prompts with these seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeCard:
    """A recipe card."""

    title: str
    recipe: Recipe
    parents: tuple[CardParent, ...]
    study: str = ""
    source: str = ""
    """What was approved: a finalist's label, or a trial."""
    approved: str = ""
    """When, in ISO 8601."""
    note: str = ""
    """Why, in the words of the person who approved it."""
    vae: str = ""
    """Name of the VAE file that decoded the study's pictures; "" where it was the merged one, or none is known."""
    bakes_vae: bool = False
    """Whether that VAE is in the merged checkpoint."""
    dtype: str = "fp16"
    """Number format that the checkpoint is written in."""
    checkpoint: CardCheckpoint | None = None
    proof: CardProof | None = None
    promise: CardPromise | None = None
    pictures: CardPictures | None = None
    shots: tuple[Shot, ...] = ()
    """The study's, whose settings are those that the recipe was judged with."""
    recommended: SettingsResult | None = None
    """The settings that were found to be best for it, where they were searched."""
    embeddings: Mapping[str, str] = field(default_factory=dict[str, str])
    """SHA-256 of the textual-inversion embeddings that the study's prompts name, by name."""

    @property
    def file_names(self) -> dict[str, str]:
        """File names of the parents that are known, by letter."""
        return {parent.letter: parent.file for parent in self.parents if parent.file}
