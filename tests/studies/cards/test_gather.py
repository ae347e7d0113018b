"""What a study says on a card: the proof of a finalist, the promise of a trial, pictures at equal prompts and seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.recipes.recipe import Recipe
from studies.cards.card import RecipeCard
from studies.cards.gather import card_of_pin, card_of_recipe, checked_licences
from studies.drawing.sheets import read_picture
from studies.errors import StudyError
from studies.results.settings_file import write_settings
from studies.review.approval import approve_recipe
from studies.store.judged.outcome import read_outcome
from studies.store.opening import store_for_reading
from studies.store.renders import kept_folder, shots_key
from studies.store.storage import complete
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.cards.made_settings import settings_result


@pytest.fixture
def spec(copied: Path) -> StudySpec:
    return read_study_file(copied)


def card(spec: StudySpec, *, finalist: int | None = None, trial: int | None = None) -> RecipeCard:
    """The card of what is approved just now."""
    pin = approve_recipe(spec.storage, finalist=finalist, trial=trial, note="for the tests", by="tester")
    return card_of_pin(spec, pin, "the title", licences={"A": "CC0"})


def test_a_finalist_has_its_proof_and_stands_beside_its_parents(spec: StudySpec) -> None:
    found = card(spec, finalist=1)
    standing = read_outcome(spec.storage.folder).finalists[0]
    assert found.proof is not None
    assert found.proof.leads == standing.comparisons
    assert found.promise is None
    assert found.pictures is not None
    assert found.pictures.columns[:3] == ("", "A", "B")
    assert found.pictures.columns[3].startswith("FLAT_")
    assert found.pictures.held_out
    for row in found.pictures.rows:
        index = next(n for n, shot in enumerate(spec.shots.proof) if (shot.prompt, shot.seed) == (row.prompt, row.seed))
        folder = kept_folder(
            spec.storage.folder, standing.candidate.key, shots_key(spec.shots.proof), f"{index:03d}.png"
        )
        assert folder is not None
        assert row.pictures[0] is not None
        assert np.array_equal(row.pictures[0], read_picture(folder / f"{index:03d}.png"))
    assert [parent.licence for parent in found.parents] == ["CC0", ""]
    assert found.parents[0].sha256 == read_outcome(spec.storage.folder).models["A"]
    assert found.shots == spec.shots.every


def test_a_trial_that_was_not_proved_has_its_promise_and_pictures_of_the_search(spec: StudySpec) -> None:
    proved = {one.recipe for one in read_outcome(spec.storage.folder).finalists}
    trials = complete(store_for_reading(spec.storage).trials())
    trial = next(one for one in reversed(trials) if one.user_attrs["recipe"] not in proved)
    found = card(spec, trial=trial.number)
    assert found.proof is None
    assert found.promise is not None
    assert found.promise.score == trial.value
    assert found.pictures is not None
    assert not found.pictures.held_out
    assert {"", "A", "B"} <= set(found.pictures.columns)
    searched = {(shot.prompt, shot.seed) for shot in spec.shots.trials}
    assert {(row.prompt, row.seed) for row in found.pictures.rows} <= searched


def test_the_proof_of_other_models_is_not_this_recipes(spec: StudySpec) -> None:
    pin = approve_recipe(spec.storage, finalist=1, trial=None, note="x", by="tester")
    other = replace(pin, models={**pin.models, "A": "0" * 64})
    assert card_of_pin(spec, other, "x", licences={}).proof is None


def test_without_kept_pictures_there_are_none_and_a_damaged_one_is_left_out(spec: StudySpec) -> None:
    for file in (spec.storage.folder / "renders").rglob("*.*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    assert card(spec, finalist=1).pictures is None


def test_a_recipe_alone_says_what_is_known(tmp_path: Path) -> None:
    found = card_of_recipe(Recipe.flat(0.4), "mix", names={"A": "a.safetensors"}, hashes={}, licences={"B": "MIT"})
    assert [(one.file, one.sha256, one.licence) for one in found.parents] == [
        ("a.safetensors", "", ""),
        ("", "", "MIT"),
    ]
    assert (found.proof, found.promise, found.pictures, found.shots) == (None, None, None, ())


def test_licences_are_of_models_and_all_mistakes_are_named() -> None:
    assert checked_licences(["A= CC0,  see  here", "B=x=y"], ["A", "B"]) == {"A": "CC0, see here", "B": "x=y"}
    with pytest.raises(StudyError) as caught:
        checked_licences(["D=CC0", "A=", "B=MIT", "B=CC0"], ["A", "B"])
    assert [problem.what for problem in caught.value.problems] == [
        "the recipe takes A, B",
        "states nothing",
        "B has a licence already",
    ]


def test_the_card_of_a_pin_has_the_settings_that_were_found_for_its_recipe(spec: StudySpec) -> None:
    folder, candidate = spec.storage.folder, read_outcome(spec.storage.folder).finalists[0].candidate
    assert card(spec, finalist=1).recommended is None
    result = settings_result()
    write_settings(folder, replace(result, subject_key="f" * 12))
    half = replace(result, subject_key=candidate.key[:12], finished=False)
    write_settings(folder, half)
    assert card(spec, finalist=1).recommended is None, "of another recipe, and not finished"
    write_settings(folder, replace(half, finished=True))
    assert card(spec, finalist=1).recommended == replace(half, finished=True)
