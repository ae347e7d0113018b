"""The models that are rendered outside a study: a recipe file, or a checkpoint as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.architecture.families import family_of
from engine.architecture.widths import FamilyName
from engine.checkpoints.header import Header, read_header
from engine.errors import RecipeError
from engine.merging.metadata import METADATA_KEY
from engine.recipes.file import read_recipe_file
from engine.recipes.recipe import Recipe, SelfStep
from engine.shots.infotext import NOISE_LEVELS, ZERO_TERMINAL, infotext
from engine.shots.shot import Shot
from engine.supermerger.metadata import RECIPE_KEY
from studies.errors import StudyError
from studies.progress import bytes_meter
from studies.recipes.inputs import InputOptions, read_input
from studies.terminal import console

if TYPE_CHECKING:
    from engine.engine import Engine

SHORT = 10
"""Digits of the hashes that the WebUI writes into pictures."""

FileHashes = Callable[[Mapping[str, Path]], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """A model to render.

    Attributes:
        name: in pictures; that of the file, without its ending.
        short_hash: ten digits: of a checkpoint's SHA-256, or of a recipe's key.
        recipe: what to build.
        models: path by name, for all that the recipe takes.
        made_by: the recipe of the model; of a checkpoint, the one in its header; None if there is none.
        round_to: the number format of what is built.
        notes: for people.
    """

    name: str
    short_hash: str
    recipe: Recipe
    models: dict[str, Path]
    made_by: Recipe | None
    round_to: str
    notes: tuple[str, ...] = ()

    @property
    def recipe_text(self) -> str:
        """Canonical text of the recipe of the model; empty if nothing is known of it."""
        return self.made_by.text if self.made_by else ""

    def infotext(
        self, shot: Shot, *, vae: Path | None = None, vae_hash: str = "", more: Mapping[str, str] | None = None
    ) -> str:
        """The WebUI's text for a picture of this model, decoded by a VAE of choice; ``more`` are further pairs."""
        recipe = {"Recipe": self.made_by.key} if self.made_by else {}
        return infotext(
            shot,
            model=self.name,
            model_hash=self.short_hash,
            vae=vae.name if vae else "",
            vae_hash=vae_hash,
            more={**recipe, **(more or {})},
        )


def noise_pairs(*, ztsnr: bool) -> dict[str, str]:
    """Return the pair of a picture's text that says that the noise levels ended in pure noise; else none."""
    return {NOISE_LEVELS: ZERO_TERMINAL} if ztsnr else {}


def read_source(path: Path, hashes: FileHashes) -> PictureSource:
    """A recipe file, or a checkpoint.

    Args:
        path: its name ends in ``.toml`` or ``.safetensors``.
        hashes: gives the SHA-256 of files, by name.

    Raises:
        StudyError: it is neither.
        RecipeError: the recipe cannot be read.
        CheckpointError: the checkpoint cannot be read.
    """
    match path.suffix.lower():
        case ".toml":
            return _from_recipe_file(path)
        case ".safetensors":
            return _from_checkpoint(path, hashes)
        case _:
            raise StudyError(
                "unknown kind of file",
                place=(path,),
                remedy="give a recipe file (.toml) or a checkpoint (.safetensors)",
            )


def recipe_source(name: str, recipe: Recipe, models: Mapping[str, Path]) -> PictureSource:
    """A recipe, rounded to fp16 as ``merge`` writes it.

    Args:
        name: of the model, in pictures.
        recipe: what to build.
        models: path by name, for all that it takes at least.
    """
    return PictureSource(
        name=name,
        short_hash=recipe.key[:SHORT],
        recipe=recipe,
        models={letter: models[letter] for letter in recipe.models},
        made_by=recipe,
        round_to="fp16",
    )


def _from_recipe_file(path: Path) -> PictureSource:
    content = read_recipe_file(path)
    return recipe_source(path.stem, content.recipe, content.models)


def _from_checkpoint(path: Path, hashes: FileHashes) -> PictureSource:
    """A step that multiplies nothing leaves the checkpoint as it is; so does rounding to fp32.

    One of no family known here is refused when it is opened, with the reason.
    """
    header = read_header(path)
    family = family_of({name: info.shape for name, info in header.tensors.items()}) or "sd1"
    made_by, notes = _recipe_in_header(path, header, family)
    return PictureSource(
        name=path.stem,
        short_hash=hashes({"A": path})["A"][:SHORT],
        recipe=Recipe(steps=(SelfStep(factors=()),), family=family),
        models={"A": path},
        made_by=made_by,
        round_to="fp32",
        notes=notes,
    )


def _recipe_in_header(path: Path, header: Header, family: FamilyName) -> tuple[Recipe | None, tuple[str, ...]]:
    """The recipe in a header; one that cannot be read is a note and keeps no picture from being made."""
    if not header.metadata.keys() & {METADATA_KEY, RECIPE_KEY}:
        return None, ()
    try:
        return read_input(str(path), InputOptions(family=family)).recipe, ()
    except RecipeError as error:
        return None, (f"the recipe in its header is left out of the pictures, as it cannot be read: {error}",)


def open_engine(models: Mapping[str, Path], round_to: str, **how: Any) -> Engine:
    """The engine of some models; ``how`` are other values that ``Engine.open`` takes."""
    from engine.engine import Engine

    return Engine.open(models, round_to=round_to, **how)


def vae_digits(vae: Path | None) -> str:
    """Ten digits of a VAE file's SHA-256, which pictures name it by; empty for no file."""
    return file_hashes({"vae": vae})["vae"][:SHORT] if vae else ""


def file_hashes(models: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of the files, by name, with a bar while they are read."""
    from studies.inputs.hashes import hashes_of, user_memory

    with bytes_meter("hashing", console()) as progress:
        return hashes_of(models, user_memory(), progress)
