"""A probe on tiny real models: effects of all kinds, resumed after a stop, nothing rendered twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from engine.errors import RenderError
from studies.after_recipe.measuring.opened import measuring
from studies.after_recipe.probe.designs.knobs import KnobChoice
from studies.after_recipe.probe.designs.plan import PlannedRecipe, ProbeOptions, planned_probe
from studies.after_recipe.probe.measure import probe
from studies.errors import StudyError
from studies.night.workshop import RenderResult, Workshop
from studies.results.probe import ONE, SCREEN, ProbeResult
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

CHOICE = KnobChoice(blocks="IN02,OUT11", sites="none", fields="study")
OPTIONS = ProbeOptions(choice=CHOICE, shots=4)
QUIET = Console(quiet=True)


def probed(spec: StudySpec, options: ProbeOptions = OPTIONS) -> ProbeResult:
    with measuring(spec, QUIET, name="probe") as opened:
        return probe(opened, planned_probe(spec, options), QUIET, precision=options.precision)[0]


@pytest.fixture(scope="module")
def once(finished_once: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudySpec, ProbeResult]:
    folder = tmp_path_factory.mktemp("probed") / "copy"
    shutil.copytree(finished_once.storage.file.parent, folder)
    spec = read_study_file(folder / "study.toml")
    return spec, probed(spec)


def test_every_knob_has_an_effect_on_every_measure_by_both_methods(once: tuple[StudySpec, ProbeResult]) -> None:
    _, result = once
    assert result.methods == (ONE, SCREEN)
    assert {one.name for one in result.columns} == {
        "pixels", "style", "fidelity", "colour", "warmth", "saturation", "contrast", "brightness", "detail",
        "composition",
    }  # fmt: skip
    assert len(result.effects) == 3 * len(result.columns) * 2
    assert all(one.effect is not None and one.standard_error is not None for one in result.effects)
    assert all(column.seeds and column.seeds > 0 for column in result.columns)
    assert all(column.floor.keys() == {ONE, SCREEN} for column in result.columns)
    assert len(result.shots) == 4
    assert [run.pictures for run in result.runs] == [8 * 4, 16 * 4]
    assert not result.broken


def test_what_adjust_does_to_light_is_found_with_its_sign(once: tuple[StudySpec, ProbeResult]) -> None:
    """CONT moves the first latent channel, which is light in this world: the strongest of the three knobs."""
    _, result = once
    for method in result.methods:
        assert result.ranked("brightness", method)[0].knob == "adjust:CONT"
        assert result.ranked("pixels", method)[0].knob == "adjust:CONT"
        effect = result.effect("adjust:CONT", "brightness", method)
        assert effect is not None
        assert effect.clear
        assert effect.low is not None
        assert effect.high is not None
        assert effect.effect == pytest.approx(effect.high - effect.low, rel=1e-6)


def test_pixels_are_the_plain_difference_of_the_pictures(once: tuple[StudySpec, ProbeResult]) -> None:
    spec, result = once
    plan = planned_probe(spec, OPTIONS)
    with measuring(spec, QUIET, name="probe") as opened:
        _, renders = probe(opened, plan, QUIET)
    low, high = (renders.pictures_at(result.knob("OUT11"), level) for level in ("low", "high"))
    assert low is not None
    assert high is not None
    apart = [np.sqrt(np.square(one.astype(float) - other).mean()) for one, other in zip(low, high, strict=True)]
    effect = result.effect("OUT11", "pixels", ONE)
    assert effect is not None
    assert effect.effect == pytest.approx(np.mean(apart))
    assert effect.standard_error == pytest.approx(np.std(apart, ddof=1) / 2)


def test_a_second_probe_renders_nothing_and_finds_the_same(once: tuple[StudySpec, ProbeResult]) -> None:
    spec, result = once
    again = probed(spec)
    assert again.drawn == 0
    assert replace(again, drawn=result.drawn, seconds=result.seconds) == result


def test_more_shots_render_only_what_is_new(once: tuple[StudySpec, ProbeResult]) -> None:
    spec, _ = once
    one = ProbeOptions(choice=CHOICE, design="one", shots=8)
    assert probed(spec, one).drawn == 9 * 4


def test_objective_values_of_all_recipes_are_told_for_a_search(once: tuple[StudySpec, ProbeResult]) -> None:
    _, result = once
    base, *others = result.recipes
    assert (base.label, base.value) == ("base", 0.0)
    assert len(others) == 7 + 8  # three knobs have eight corners
    assert all(one.value is not None and one.standard_error is not None for one in others)
    style = result.effect("adjust:CONT", "style", ONE)
    low, high = (next(one for one in others if one.label == f"CONT = {value}") for value in (-3, 3))
    assert style is not None
    assert low.value is not None
    assert high.value is not None
    assert np.sign(high.value - low.value) == np.sign(style.effect or 0)


def stopped_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop as Ctrl+C does, before a set of shots is rendered."""
    make: Callable[..., RenderResult] = Workshop.make
    made: list[int] = []

    def stop(self: Workshop, *args: object, **options: object) -> RenderResult:
        if len(made) == count:
            raise KeyboardInterrupt
        before = self.drawn
        result = make(self, *args, **options)
        made.extend([1] * (self.drawn > before))
        return result

    monkeypatch.setattr(Workshop, "make", stop)


def test_a_stopped_probe_goes_on_where_it_was(
    copied: Path, once: tuple[StudySpec, ProbeResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read_study_file(copied)
    one = replace(OPTIONS, design="one")
    with monkeypatch.context() as patch:
        stopped_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            probed(spec, one)
    (picture, *_) = spec.storage.folder.rglob("000.png")
    left = picture.with_name(".001.4194304.part.png")  # of a process that there cannot be
    left.touch()
    result = probed(spec, one)
    assert not left.exists()
    assert result.drawn == 9 * 4 - 5 * 4
    assert result.effects == tuple(effect for effect in once[1].effects if effect.method == ONE)


def break_recipes(monkeypatch: pytest.MonkeyPatch, broken: Callable[[PlannedRecipe], bool], spec: StudySpec) -> None:
    keys = {recipe.candidate.key for recipe in planned_probe(spec, OPTIONS).recipes if broken(recipe)}
    make: Callable[..., RenderResult] = Workshop.make

    def fail(self: Workshop, candidate: object, *args: object, **options: object) -> RenderResult:
        if options.get("pictures") and getattr(candidate, "key", "") in keys:
            raise RenderError("the VAE gave NaN or infinite pictures")
        return make(self, candidate, *args, **options)

    monkeypatch.setattr(Workshop, "make", fail)


def test_a_recipe_without_pictures_is_told_and_costs_no_other_its_effect(
    once: tuple[StudySpec, ProbeResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, whole = once
    break_recipes(monkeypatch, lambda recipe: recipe.label in ("OUT11 = 1", "screening 3"), spec)
    result = probed(spec)
    assert result.broken == (
        "OUT11 = 1: the VAE gave NaN or infinite pictures",
        "screening 3: the VAE gave NaN or infinite pictures",
    )
    lost = result.effect("OUT11", "pixels", ONE)
    assert lost is not None
    assert (lost.effect, lost.clear) == (None, False)
    assert lost.low is not None
    assert result.effect("IN01", "style", ONE) == whole.effect("IN01", "style", ONE)
    kept = result.effect("OUT11", "pixels", SCREEN)
    assert kept is not None
    assert kept.effect == pytest.approx(whole.ranked("pixels", SCREEN)[0].effect, rel=2)


def test_a_base_without_pictures_ends_it(once: tuple[StudySpec, ProbeResult], monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = once
    break_recipes(monkeypatch, lambda recipe: recipe.label == "base", spec)
    with pytest.raises(StudyError, match="NaN"):
        probed(spec)


def test_enough_precision_ends_it_early(once: tuple[StudySpec, ProbeResult]) -> None:
    spec, _ = once
    coarse = probed(spec, replace(OPTIONS, shots=8, design="one", precision=5.0))
    assert len(coarse.shots) == 4
    fine = probed(spec, replace(OPTIONS, shots=8, design="one", precision=1e-6))
    assert len(fine.shots) == 8
