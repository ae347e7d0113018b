"""The proof in rounds: who goes on, and that nothing is drawn twice, whatever ended an earlier try."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from scorers.features import Features
from studies.inputs.models import model_hashes
from studies.night.drawn import DrawnPictures
from studies.night.night import Night
from studies.night.proving.proof_rounds import ProofGroups, ProofRounds, drawing_order, drawn_first, drawn_until, looks
from studies.night.workshop import Workshop
from studies.store.judged.outcome import read_outcome
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.night.number_panel import NumberPanel, features_of
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)
SHOTS = 24
GROUPS = ProofGroups(parents=("A", "B"), flats=("FLAT_25", "FLAT_50"), finalists=("one", "two"))


def rounds_of(worth: dict[str, float], shots: int = SHOTS, seed: int = 5) -> ProofRounds:
    """A proof of recipes whose pictures are worth these numbers and noise."""
    draw = np.random.default_rng(seed)
    numbers = {label: worth[label] + draw.normal(size=shots) for label in GROUPS.every}
    order = drawing_order([f"{n}" for n in range(shots)])
    rounds = ProofRounds(
        panel=NumberPanel(),  # pyright: ignore[reportArgumentType]
        groups=GROUPS,
        shots=[None] * shots,  # pyright: ignore[reportArgumentType]
        order=order,
    )
    rounds.run(lambda label, places: features_of(numbers[label], places))
    return rounds


def test_recipes_are_compared_after_a_quarter_and_half_of_the_shots_and_never_after_few() -> None:
    assert [looks(shots) for shots in (8, 11, 12, 24, 64)] == [(), (), (8,), (8, 12), (16, 32)]


def test_the_first_shots_are_those_of_the_sheet_and_then_one_of_each_prompt() -> None:
    order = drawing_order(["a"] * 6 + ["b"] * 6)
    assert sorted(order) == list(range(12))
    assert list(order[:6]) == drawn_first(12) == [0, 2, 4, 6, 8, 10]
    assert order[6:] == (1, 7, 3, 9, 5, 11)


def test_what_is_clearly_beaten_is_given_up_and_the_others_get_everything() -> None:
    near = {"A": 1.5, "B": -9.0, "FLAT_25": 1.0, "FLAT_50": -5.0, "one": 2.0, "two": -4.0}
    rounds = rounds_of(near)
    drawn = {label: len(places) for label, places in rounds.drawn.items()}
    assert drawn == {"A": 24, "B": 8, "FLAT_25": 24, "FLAT_50": 8, "one": 24, "two": 8}
    assert set(drawn_first(SHOTS)) <= set(rounds.drawn["B"])
    assert rounds.drawn["one"] == tuple(range(SHOTS))


def test_what_is_as_good_is_rarely_given_up() -> None:
    proofs = [rounds_of(dict.fromkeys(GROUPS.every, 0.0), seed=seed) for seed in range(200)]
    wrong = {label: sum(not one.is_whole(label) for one in proofs) / len(proofs) for label in GROUPS.every}
    assert wrong["A"] == wrong["B"] == 0
    assert max(wrong.values()) < 0.07
    assert max(wrong.values()) > 0.01


def test_few_shots_are_all_drawn() -> None:
    apart = {label: -9.0 * n for n, label in enumerate(reversed(GROUPS.every))}
    assert all(map(rounds_of(apart, shots=8).is_whole, GROUPS.every))


def test_a_parent_that_some_finalist_left_does_not_beat_goes_on() -> None:
    worth = {"A": 2.0, "B": -9.0, "FLAT_25": 0.0, "FLAT_50": 0.0, "one": 2.1, "two": 2.0}
    assert len(rounds_of(worth).drawn["A"]) == SHOTS


def test_values_are_those_on_all_shots_as_far_as_they_are_known() -> None:
    """The best of a kind tells by how much the shots of a recipe that was given up are harder than all."""
    harder = np.where(np.isin(np.arange(SHOTS), drawing_order([f"{n}" for n in range(SHOTS)])[:8]), -10.0, 0.0)
    draw = np.random.default_rng(1)
    worth = {"A": 0.0, "B": 0.0, "FLAT_25": 1.0, "FLAT_50": -5.0, "one": 2.0, "two": -4.0}
    numbers = {label: value + harder + 0.1 * draw.normal(size=SHOTS) for label, value in worth.items()}
    order = drawing_order([f"{n}" for n in range(SHOTS)])
    rounds = ProofRounds(panel=NumberPanel(), groups=GROUPS, shots=[None] * SHOTS, order=order)  # pyright: ignore[reportArgumentType]
    rounds.run(lambda label, places: features_of(numbers[label], places))
    assert len(rounds.drawn["two"]) == 8
    mean = float(harder.mean())
    for label, value in rounds.values().items():
        assert value == pytest.approx(worth[label] + mean, abs=0.2)


# -------------------------------------------------------------------------------------------------------- in a study


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    """A study with 24 held-out pictures, before its proof."""
    study = write_small_study(tmp_path_factory.mktemp("rounds"), groups=1)
    text = study.read_text().replace("seeds = [11, 12]", f"seeds = {list(range(11, 23))}\nweights = [2.0, 1.0]")
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    study.write_text(text.replace("finalists = 2", "finalists = 3\nsimplify = 2"))
    spec = read_study_file(study)
    Night(spec, QUIET, proof=False).run()
    return spec


def copied(spec: StudySpec, folder: Path) -> StudySpec:
    shutil.copytree(spec.storage.file.parent, folder)
    return read_study_file(folder / "study.toml")


def rendered(monkeypatch: pytest.MonkeyPatch, most: int = 10**9) -> list[int]:
    """How many pictures are drawn at a time, as they come; after so many times the night is killed."""
    drawn, counts = Workshop._drawn, list[int]()

    def draw(workshop: Workshop, shots: Sequence[object]) -> DrawnPictures:
        if len(counts) == most:
            raise KeyboardInterrupt
        counts.append(len(shots))
        return drawn(workshop, shots)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Workshop, "_drawn", draw)
    return counts


def test_a_proof_gives_up_what_is_beaten_and_says_so(
    searched: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = copied(searched, tmp_path / "whole")
    counts = rendered(monkeypatch)
    outcome = Night(spec, QUIET).run()
    assert outcome is not None
    every = (*outcome.baselines, *outcome.finalists)
    few = [one for one in every if one.pictures < SHOTS]
    assert few
    assert {one.pictures for one in few} <= {8, 12}
    assert outcome.finalists[0].pictures == SHOTS
    assert max(one.pictures for one in outcome.baselines if one.label.startswith("FLAT")) == SHOTS
    best = max((one for one in outcome.baselines if one.label.startswith("FLAT")), key=lambda one: one.value or -9)
    assert best.pictures == SHOTS
    assert outcome.pictures == sum(one.pictures for one in every) < SHOTS * len(every)
    assert any(f"{few[0].label} after {few[0].pictures}" in line for line in outcome.sentences())
    against = outcome.finalists[0].comparisons
    early = {one.label for one in few} & {one.against for one in against}
    assert early
    assert {one.against: one.level("95 %") for one in against} == {
        one.against: "99.9 %" if one.against in early else "95 %" for one in against
    }
    for one in few:
        names = {path.name for path in spec.storage.folder.glob(f"renders/*/*/{one.candidate.key[:20]}/*.png")}
        assert len(names) == one.pictures
    assert read_outcome(spec.storage.folder) == outcome
    counts.clear()
    assert Night(spec, QUIET).run() == outcome
    assert not counts, "everything is kept"


@pytest.mark.parametrize("most", [2, 10])
def test_a_proof_that_was_killed_comes_to_the_same(
    searched: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    whole, killed = copied(searched, tmp_path / "whole"), copied(searched, tmp_path / "killed")
    with monkeypatch.context() as patched:
        every = rendered(patched)
        assert Night(whole, QUIET).run() is not None
    with monkeypatch.context() as patched:
        rendered(patched, most)
        with pytest.raises(KeyboardInterrupt):
            Night(killed, QUIET).run()
    with monkeypatch.context() as patched:
        rest = rendered(patched)
        assert Night(killed, QUIET).run() is not None
    assert len(rest) == len(every) - most
    first, second = (json.loads((one.storage.folder / "outcome.json").read_text()) for one in (whole, killed))
    assert first == second


def test_renders_of_a_proof_that_drew_everything_are_taken(
    searched: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = copied(searched, tmp_path / "former")
    with monkeypatch.context() as patched:
        patched.setattr(ProofRounds, "given_up", lambda *_: frozenset())
        before = Night(spec, QUIET).run()
    assert before is not None
    assert {one.pictures for one in before.baselines} == {SHOTS}
    counts = rendered(monkeypatch)
    after = Night(spec, QUIET).run()
    assert not counts
    assert after is not None
    assert after.finalists[0].recipe == before.finalists[0].recipe
    assert after.finalists[0].value == pytest.approx(before.finalists[0].value)


def test_a_simpler_recipe_that_is_lost_draws_no_more(
    searched: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = copied(searched, tmp_path / "simpler")
    workshop = Workshop.open(spec, model_hashes(spec.merge, spec.storage))
    made, seen, counts = spec.search.candidate(spec.search.space.flat(0.5)), list[int](), rendered(monkeypatch)

    def is_lost(features: Features, confidence: float) -> bool:
        seen.append(len(features))
        assert confidence == pytest.approx(0.95)
        return len(features) == 12

    features, drawn = drawn_until(workshop, made, spec.shots.proof, is_lost)
    assert drawn == len(features) == 12
    assert (seen, counts) == ([8, 12], [8, 4])
    features, drawn = drawn_until(workshop, made, spec.shots.proof, lambda *_: False)
    assert drawn == SHOTS
    assert features.slots == tuple((shot.prompt, shot.seed) for shot in spec.shots.proof)
    assert counts == [8, 4, 12]
    again = workshop.make(made, spec.shots.proof, pictures=True)
    assert counts == [8, 4, 12], "kept as if all had been drawn at once"
    assert again.sheet.exists()
    workshop.close()
