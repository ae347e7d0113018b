"""A study opened to measure recipes: what is kept is not rendered again, and other checkpoints are judged too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from engine.recipes.file import read_recipe_file
from engine.recipes.recipe import Recipe
from studies.after_recipe.measuring.opened import measuring
from studies.after_recipe.measuring.subject import study_subject, subject_of
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.store.judged.outcome import read_outcome
from studies.store.judged.pins import pin_recipe
from studies.store.renders import shots_key
from studies.studyfile.read import read_study_file
from tests.studies.night.test_embeddings import small_study as embedding_study
from tests.studies.night.test_embeddings import width_of, write_embeddings
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)


def test_a_study_that_never_ran_is_calibrated_and_nothing_is_rendered_twice(tmp_path: Path) -> None:
    spec = read_study_file(write_small_study(tmp_path))
    flat = study_subject("FLAT_50", Candidate(recipe=Recipe.flat(0.5)))
    shots = [replace(shot, seed=shot.seed + 500) for shot in spec.shots.proof]
    with measuring(spec, QUIET, name="probe") as first:
        made = first.make(flat, shots)
        calibrated = first.drawn - len(shots)
        assert calibrated > 0
        assert calibrated % len(spec.shots.trials) == 0
    with measuring(spec, QUIET, name="probe") as again:
        kept = again.make(flat, shots)
        assert again.drawn == 0
    assert kept.resembles(made)
    assert kept.slots == tuple((shot.prompt, shot.seed) for shot in shots)


def test_two_of_a_kind_do_not_run_at_once(tmp_path: Path) -> None:
    spec = read_study_file(write_small_study(tmp_path))
    refused = pytest.raises(StudyError, match="another `recipe-search probe`")
    with measuring(spec, QUIET, name="probe"), refused, measuring(spec, QUIET, name="probe"):
        pytest.fail("opened twice")


def test_a_checkpoint_is_measured_with_an_engine_of_its_own(copied: Path) -> None:
    spec = read_study_file(copied)
    merged = subject_of(spec, file=spec.merge.models["B"])
    as_recipe = study_subject("B", Candidate(recipe=Recipe.flat(1.0, base=1.0)))
    parent = study_subject("A", Candidate(recipe=Recipe.flat(0.0)))
    shots = spec.shots.proof
    assert merged.label == "lamplight.safetensors"
    with measuring(spec, QUIET, name="probe") as opened:
        alone, mixed, other = (opened.make(one, shots) for one in (merged, as_recipe, parent))
    assert alone.resembles(mixed)
    assert not alone.resembles(other)


def test_the_subject_is_the_pin_else_the_first_finalist_or_what_is_named(copied: Path) -> None:
    spec = read_study_file(copied)
    outcome = read_outcome(spec.storage.folder)
    first, second = (outcome.finalist(number)[1] for number in (1, 2))
    for pin in (spec.storage.folder / "pins").glob("*.json"):
        pin.unlink()
    assert subject_of(spec).candidate == first
    assert subject_of(spec, finalist=2).candidate == second
    assert subject_of(spec).key != subject_of(spec, finalist=2).key
    pin_recipe(
        spec.storage.folder, second.recipe, source="", models=outcome.models, note="as a test", study=spec.storage.name
    )
    assert subject_of(spec).label == "pin 1"
    assert subject_of(spec).candidate == second
    with pytest.raises(StudyError, match="finalists 1 to"):
        subject_of(spec, finalist=99)
    with pytest.raises(StudyError, match="both given"):
        subject_of(spec, finalist=1, file=spec.merge.models["B"])


def test_a_recipe_file_of_the_studys_models_needs_no_engine_of_its_own(copied: Path) -> None:
    spec = read_study_file(copied)
    file = copied.parent / "mine.toml"
    models = "".join(f'{letter} = "{path}"\n' for letter, path in spec.merge.models.items())
    file.write_text(Recipe.flat(0.25).text + f"\n[models]\n{models}", encoding="utf-8")
    assert read_recipe_file(file).recipe == Recipe.flat(0.25)
    assert not subject_of(spec, file=file).models
    swapped = models.replace("A =", "X =").replace("B =", "A =").replace("X =", "B =")
    file.write_text(Recipe.flat(0.25).text + f"\n[models]\n{swapped}", encoding="utf-8")
    assert subject_of(spec, file=file).models


def test_a_changed_file_of_an_embedding_that_the_study_does_not_name_renders_anew(tmp_path: Path) -> None:
    spec = embedding_study(tmp_path)
    flat = study_subject("FLAT_50", Candidate(recipe=Recipe.flat(0.5)))
    shots = [replace(spec.shots.trials[0], prompt="a cat, negative_hand-neg", seed=9)]

    places: list[Path] = []

    def drawn() -> int:
        with measuring(spec, QUIET, name="situations") as opened:
            opened.make(flat, shots)
            places.append(opened.workshop.renders.place(flat.candidate, shots))
            return opened.drawn

    drawn()
    assert drawn() == 0
    kept = places[0].parents[1] / shots_key(shots) / places[0].name  # where earlier versions kept them
    kept.parent.mkdir()
    places[0].rename(kept)
    assert drawn() == 1
    name = "negative_hand-neg.safetensors"
    other = write_embeddings(tmp_path / "others", width_of(tmp_path / "closeups.safetensors"), seed=10) / name
    other.replace(tmp_path / "words" / name)
    assert drawn() == 1
    assert drawn() == 0
    assert len(set(places)) == 2
