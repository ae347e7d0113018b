"""The search for settings, with real pictures: step by step, resumed after a kill, with files that are there or not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from engine.shots.hires import Hires
from scorers.extraction.statistics import STATISTICS
from studies.after_recipe.measuring.opened import Measuring, measuring
from studies.after_recipe.measuring.subject import subject_of
from studies.after_recipe.settings.axes import asked_values
from studies.after_recipe.settings.search import SettingsSearch
from studies.after_recipe.settings.setup import SettingsSetup, set_up
from studies.after_recipe.settings.shots import judged_shots
from studies.after_recipe.settings.steps import Report
from studies.pictures.plot_kinds import AXIS_KINDS
from studies.results.settings import LookBack, SettingsResult, SettingsStep
from studies.results.settings_file import read_settings
from studies.studyfile.read import read_study_file

VAE = "first_stage_model."
"""How the keys of a VAE begin in a checkpoint."""
QUIET = Console(quiet=True)
TRIES = ("Sampler=Euler a, UniPC, DPM++ 2M Karras", "CFG Scale=1, 2", "Steps=2,3", "Clip skip=1,2", "VAE=merged")


@contextmanager
def no_progress(label: str, total: int) -> Generator[Report]:
    yield lambda note, count: None


class Killed:
    """Progress that is interrupted after so many chunks of pictures, as Ctrl+C does."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks

    @contextmanager
    def __call__(self, label: str, total: int) -> Generator[Report]:
        yield self.report

    def report(self, note: str, count: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@contextmanager
def opened(
    study: Path, *tries: str, file: Path | None = None, most: int = 8, **options: Any
) -> Iterator[tuple[Measuring, SettingsSetup]]:
    spec = read_study_file(study)
    asked = asked_values(spec.settings_to_try, tries, here=study.parent, **options)
    with measuring(spec, QUIET, name="settings") as one:
        yield one, set_up(one, subject_of(spec, file=file), asked, judged_shots(spec.shots, most))


def comparable(result: SettingsResult) -> object:
    """A result without the measured times."""
    return json.loads(
        json.dumps(asdict(result)), object_hook=lambda row: {k: v for k, v in row.items() if k != "seconds"}
    )


def test_settings_are_searched_one_after_another_and_the_result_is_kept(copied: Path) -> None:
    seen: list[str] = []
    with opened(copied, *TRIES) as (study, setup):
        search = SettingsSearch(setup=setup, progress=no_progress, on_step=lambda step: seen.append(step.axis))
        result = search.run()
        drawn = study.drawn
    assert seen == ["Sampler", "VAE", "CFG Scale", "Steps", "Clip skip"]
    assert result.finished
    assert read_settings(study.spec.storage.folder, setup.subject.key) == result
    assert 0 < drawn <= result.pictures
    sampler, vae, *others = result.steps
    assert [value.label for value in sampler.values if value.state == "skipped"] == ["UniPC", "DPM++ 2M Karras"]
    assert sampler.values[0].is_start
    assert vae.chosen is None
    for step in others:
        if step.chosen:
            assert step.chosen.state in {"best", "equal", "open"}
            assert step.chosen.cost > 0
            assert step.chosen.pictures == 8
    last = [step.chosen.settings for step in result.steps if step.chosen and step.chosen.settings][-1]
    assert result.final == last or result.look_back
    with opened(copied, *TRIES) as (study, setup):
        assert SettingsSearch(setup=setup, progress=no_progress).run() == result
        assert study.drawn == 0


def test_a_search_that_was_killed_comes_to_the_same_and_renders_nothing_twice(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied.parent, tmp_path / "other")
    with opened(copied, *TRIES) as (study, setup):
        whole, drawn = SettingsSearch(setup=setup, progress=no_progress).run(), study.drawn
    other, drawn_in_parts = tmp_path / "other" / "study.toml", 0
    for chunks in (2, 4, 6):
        with opened(other, *TRIES) as (study, setup):
            search = SettingsSearch(setup=setup, progress=Killed(chunks))
            with pytest.raises(KeyboardInterrupt):
                search.run()
            drawn_in_parts += study.drawn
    with opened(other, *TRIES) as (study, setup):
        result = SettingsSearch(setup=setup, progress=no_progress).run()
        drawn_in_parts += study.drawn
    assert comparable(result) == comparable(whole)
    assert drawn_in_parts == drawn


def test_choices_are_looked_at_again_with_those_that_came_later(copied: Path) -> None:
    """With a wide margin the cheapest is taken at every step; without one, looking back finds what that has spoilt."""
    copied.write_text(copied.read_text().replace("seeds = [11, 12]", f"seeds = {[*range(11, 23)]}"))
    tries = ("Sampler=DPM++ 2M", "CFG Scale=2", "Steps=1,4", "Clip skip=1", "Size=64x64")
    with opened(copied, *tries, most=24) as (_, setup):
        start = replace(setup.start, steps=4, width=128, height=128)
        wide = replace(setup, start=start, margin=1000.0)
        search = SettingsSearch(setup=wide, progress=no_progress)

        def narrow(step: SettingsStep) -> None:
            search.setup = replace(wide, margin=0.0 if step.axis == "Size" else 1000.0)

        def widen(look: LookBack) -> None:
            search.setup = wide

        search.on_step, search.on_look_back = narrow, widen
        result = search.run()
    assert [(step.axis, step.chosen.label) for step in result.steps if step.chosen] == [
        ("Steps", "1"),
        ("Size", "64x64"),
    ]
    steps, size = result.look_back
    assert steps.step.axis == "Steps"
    assert [(value.label, value.is_start) for value in steps.step.values] == [("1", True), ("4", False)]
    assert {value.settings.width for value in steps.step.values if value.settings} == {64}
    assert not steps.holds
    assert size.holds, "it is looked at again because the steps have changed"
    assert (result.final.steps, result.final.width) == (4, 64)
    assert result.sentences[-1] == "looked back, Steps: 1 no longer holds, 4 takes its place"


def test_a_choice_that_holds_stays(copied: Path) -> None:
    tries = ("Sampler=DPM++ 2M", "CFG Scale=2", "Steps=1,4", "Clip skip=1", "Size=64x64")
    with opened(copied, *tries) as (_, setup):
        wide = replace(setup, start=replace(setup.start, steps=4, width=128, height=128), margin=1000.0)
        result = SettingsSearch(setup=wide, progress=no_progress).run()
    (steps,) = result.look_back
    assert steps.holds
    assert steps.step.chosen == steps.step.start
    assert (result.final.steps, result.final.width) == (1, 64)
    assert result.sentences[-1] == "looked back: every choice still holds with those that came after it"


def test_a_second_pass_is_searched_where_a_person_asks_for_one(copied: Path) -> None:
    tries = ("Sampler=Euler a", "CFG Scale=2", "Steps=2", "Hires steps=1", "Denoising=0.4", "Hires upscale=1.5,2")
    tries = (*tries, "Hires upscaler=Latent,Lanczos,4x-None-Such", "Clip skip=1")
    with opened(copied, *tries) as (study, setup):
        result = SettingsSearch(setup=setup, progress=no_progress).run()
    assert result.start.hires is not None
    steps = {step.axis: step for step in result.steps}
    assert set(steps) >= {"Hires upscaler", "Denoising", "Hires steps", "Hires upscale"}
    (missing,) = [value for value in steps["Hires upscaler"].values if value.label == "4x-None-Such"]
    assert missing.state == "skipped"
    assert missing.reason == "4x-None-Such takes a model file, and [render] upscalers names no folder"
    scale = steps["Hires upscale"]
    assert [value.label for value in scale.tried] == ["1.5", "2"]
    assert scale.tried[0].cost < scale.tried[1].cost
    assert any("judged at 64 pixels" in note for note in result.notes)
    number = setup.pictures.picture(result.final, 0)
    assert number is not None
    assert number.shape[0] == result.final.applied_to(study.spec.shots.proof[0]).picture_size[1]


def test_sizes_below_what_scorers_judge_at_are_left_aside(copied: Path) -> None:
    with opened(copied, "Size=56x64,64x128", "Sampler=Euler") as (_, setup):
        found = {value.label: value.reason for value in setup.values.of(AXIS_KINDS["Size"], setup.start)}
    assert "must be a number" in found["56x64"] or "must be a whole number" in found["56x64"]
    assert found["64x128"] == ""


def test_vaes_are_compared_by_their_files(copied: Path) -> None:
    red = copied.parent / "red.safetensors"
    vae = {
        key: value for key, value in load_file(copied.parent / "closeups.safetensors").items() if key.startswith(VAE)
    }
    vae[f"{VAE}decoder.conv_out.bias"][0] += 0.5
    save_file(vae, red)
    with opened(copied, f"VAE={red},{copied.parent / 'none-such.safetensors'},merged") as (_, setup):
        values = setup.values.of(AXIS_KINDS["VAE"], setup.start)
        assert [value.label for value in values] == ["merged", "red.safetensors", "none-such.safetensors"]
        assert [bool(value.reason) for value in values] == [False, False, True]
        own, other = (value.settings for value in values[:2])
        assert own is not None
        assert other is not None
        first, second = setup.pictures.features(own, 4), setup.pictures.features(other, 4)
        warmth = STATISTICS.index("warmth")
        assert (second.statistics[:, warmth] > first.statistics[:, warmth] + 0.05).all()
        assert setup.pictures.candidate(other).vae.startswith("red.safetensors ")
        more = setup.pictures.features(own, 8)
        assert setup.pictures.features(own, 4).resembles(first)
    with opened(copied) as (_, setup):
        setup.pictures.features(setup.start, 8)
        assert more.resembles(setup.pictures.features(setup.start, 8))


def test_what_only_rendering_shows_is_a_reason_too(copied: Path) -> None:
    """With two steps Euler and DPM++ 2M make the same pictures; a file may go while the search runs."""
    gone = copied.parent / "gone.safetensors"
    tensors = load_file(copied.parent / "closeups.safetensors")
    save_file({key: value for key, value in tensors.items() if key.startswith(VAE)}, gone)
    tries = ("Sampler=Euler", f"VAE={gone}", "CFG Scale=2", "Steps=2", "Clip skip=1")
    with opened(copied, *tries) as (_, setup):
        gone.unlink()
        result = SettingsSearch(setup=setup, progress=no_progress).run()
    sampler, vae = result.steps[:2]
    assert [value.reason for value in sampler.values] == ["", "makes the same pictures as DPM++ 2M"]
    assert sampler.chosen == sampler.start
    assert vae.values[1].state == "skipped"
    assert vae.values[1].reason
    assert result.final == result.start


def test_a_checkpoint_is_searched_with_an_engine_of_its_own(copied: Path) -> None:
    spec = read_study_file(copied)
    with opened(copied, "Sampler=Euler a", file=spec.merge.models["B"]) as (_, setup):
        assert setup.subject.models
        features = setup.pictures.features(setup.start, 4)
        assert len(features) == 4
        assert setup.pictures.seconds(setup.start) is not None


def test_measured_times_are_kept_with_the_pictures(copied: Path) -> None:
    with opened(copied) as (_, setup):
        setup.pictures.features(replace(setup.start, cfg=1.5), 4)
        first = setup.pictures.seconds(replace(setup.start, cfg=1.5))
        assert first is not None
        assert first > 0
        assert setup.pictures.seconds(replace(setup.start, cfg=1.25)) is None
    with opened(copied) as (study, setup):
        setup.pictures.features(replace(setup.start, cfg=1.5), 4)
        assert setup.pictures.seconds(replace(setup.start, cfg=1.5)) == first
        assert study.drawn == 0


def test_pictures_of_the_proof_are_not_rendered_again(copied: Path) -> None:
    with opened(copied) as (study, setup):
        before = study.drawn
        setup.pictures.features(setup.start, setup.pictures.judged.ends[0])
        assert study.drawn - before < setup.pictures.judged.ends[0]


def test_another_upscaler_file_of_the_same_name_makes_other_pictures(copied: Path) -> None:
    file = copied.parent / "4x-Sharp.pth"
    file.write_bytes(b"one")
    copied.write_text(copied.read_text().replace("[render]\n", '[render]\nupscalers = "."\n'))

    def seen() -> tuple[Path, Path, list[str]]:
        with opened(copied, hires=True) as (study, setup):
            plain = replace(setup.start, hires=Hires(upscaler="Lanczos"))
            sharp = replace(setup.start, hires=Hires(upscaler="4x-Sharp"))
            assert setup.pictures.words(plain) == setup.pictures.words(setup.start)
            places = [
                study.workshop.renders.place(
                    setup.pictures.candidate(one), [one.applied_to(setup.pictures.judged.shots[0])]
                )
                for one in (plain, sharp)
            ]
            return places[0], places[1], setup.pictures.words(sharp)

    first = seen()
    assert seen() == first
    file.write_bytes(b"other")
    other = seen()
    assert other[0] == first[0]
    assert other[1] != first[1]
    assert other[2] != first[2]
    file.unlink()  # told where it is to be used
    assert seen()[1] not in {first[1], other[1]}
