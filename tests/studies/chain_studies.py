"""Studies with approved recipes for tests of chains: nothing is searched, so that they cost no pictures."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from engine.recipes.recipe import Recipe
from studies.cli.main import main
from studies.inputs.models import model_hashes
from studies.store.judged.pins import Pin, pin_recipe
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study


def begun(folder: Path) -> Path:
    """A study of the sample world with a third parent beside it, ``third.safetensors``; returns its file."""
    study = write_small_study(folder)
    for picture in sorted((folder / "references").glob("*.png"))[8:]:
        picture.unlink()
    tensors = load_file(folder / "lamplight.safetensors")
    third = {key: value * 1.25 if "output_blocks" in key else value for key, value in tensors.items()}
    save_file(third, folder / "third.safetensors", metadata={"format": "pt"})
    return study


def approved(study: Path, recipe: Recipe) -> Pin:
    """Pin a recipe of a study that was not run."""
    spec = read_study_file(study)
    spec.storage.folder.mkdir(parents=True, exist_ok=True)
    models = model_hashes(spec.merge, spec.storage)
    return pin_recipe(
        spec.storage.folder, recipe, source="test", models=models, note="good", by="me", study=spec.storage.name
    )


def typed(*words: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [str(word) for word in words])
