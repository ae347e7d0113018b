"""Proofs are counted, and each further one is held to a stricter level."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from scipy.special import stdtrit

from studies.cli.main import main
from studies.night.continuing.rescore import rescore_study
from studies.night.night import Night
from studies.night.proving.proofs import ProofNumber
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

QUIET = Console(quiet=True)


def run(study: Path) -> Outcome:
    outcome = Night(read_study_file(study), QUIET).run()
    assert outcome is not None
    return outcome


def half_widths(outcome: Outcome) -> list[float]:
    return [comparison.high - comparison.mean for comparison in outcome.finalists[0].comparisons]


def with_proof_seeds(study: Path, seeds: str) -> Path:
    before, after = study.read_text().split("[proof]")
    study.write_text(before + "[proof]" + re.sub("seeds = .*", f"seeds = {seeds}", after, count=1))
    return study


def test_errors_of_all_proofs_together_stay_below_a_tenth() -> None:
    levels = [ProofNumber(number=n, known=n, key="").confidence for n in range(1, 40)]
    assert levels[:3] == [0.95, pytest.approx(0.975), pytest.approx(0.9875)]
    assert sum(1 - level for level in levels) == pytest.approx(0.1)


def test_other_held_out_seeds_are_another_proof_and_the_same_ones_are_not(
    copied: Path, finished_once: StudySpec
) -> None:
    first = read_outcome(finished_once.storage.folder)
    assert (first.proof, first.level) == (1, "95 %")
    assert replace(run(copied), sheet=first.sheet) == first
    second = run(with_proof_seeds(copied, "[13, 14]"))
    assert (second.proof, second.level) == (2, "97.5 %")
    again = run(copied)
    assert again == second
    back = run(with_proof_seeds(copied, "[11, 12]"))
    assert replace(back, sheet=first.sheet, proofs=1) == first
    assert "This is proof 1 of the 2 that this study has had." in " ".join(back.sentences())
    third = run(with_proof_seeds(copied, "[15, 16]"))
    assert (third.proof, third.proofs) == (3, 3)


def test_a_further_proof_has_wider_intervals_of_the_same_differences(copied: Path) -> None:
    first = run(copied)
    spec = read_study_file(copied)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    store.note("proofs", ["another"])
    second = run(copied)
    assert second.proof == 2
    pictures = len(spec.shots.proof)
    wider = stdtrit(pictures - 1, 0.9875) / stdtrit(pictures - 1, 0.975)
    assert half_widths(second) == pytest.approx([width * wider for width in half_widths(first)])
    assert [c.mean for c in second.finalists[0].comparisons] == [c.mean for c in first.finalists[0].comparisons]


def test_rescoring_is_another_proof(copied: Path) -> None:
    copied.write_text(copied.read_text() + 'weights = { style = 1.0, stats = 2.0 }\nkeep = ["style", "stats"]\n')
    spec = read_study_file(copied)
    assert rescore_study(spec, QUIET, render=True).proved
    assert read_outcome(spec.storage.folder).proof == 2


def test_a_night_without_a_proof_ends_with_its_last_trial(copied: Path) -> None:
    spec = read_study_file(copied)
    (spec.storage.folder / "outcome.json").unlink()
    done = CliRunner().invoke(main, ["run", str(copied), "--no-proof"], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"no proof was made; `recipe-search run {copied}` makes it" in done.output.replace("\n", "")
    assert not (spec.storage.folder / "outcome.json").exists()
