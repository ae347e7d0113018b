"""The card of recommended settings: what it says, and a text that the WebUI and our own reader read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from engine.recipes.recipe import Recipe
from engine.shots.hires import Hires
from engine.shots.infotext import read_fields, shot_settings, unfollowed
from engine.shots.shot import Shot
from studies.after_recipe.measuring.opened import measuring
from studies.after_recipe.measuring.subject import Subject, subject_of
from studies.after_recipe.settings.axes import asked_values
from studies.after_recipe.settings.card import CardModel, SettingsCard, markdown_text, record, write_settings_card
from studies.after_recipe.settings.search import SettingsSearch
from studies.after_recipe.settings.setup import SettingsSetup, set_up
from studies.after_recipe.settings.shots import judged_shots
from studies.cards import recommended
from studies.results.settings import SettingsResult
from studies.studyfile.read import read_study_file
from tests.studies.after_recipe.settings.joint.test_joint import silent
from tests.studies.cards.made_settings import FINAL, SAMPLERS, settings_result

SHOT = Shot(prompt="a cat, (soft:1.2)", negative="blurry", seed=7, width=512, height=768, steps=20, cfg=6.0)


@pytest.fixture
def card() -> SettingsCard:
    result = replace(settings_result(), recipe=Recipe.flat(0.5).text)
    models = tuple(
        CardModel(letter=letter, file=f"{letter}_x.safetensors", sha256=letter.lower() * 64) for letter in "AB"
    )
    return SettingsCard(result=result, models=models, shot=SHOT)


def test_the_webuis_text_is_read_back_as_the_recommended_settings(card: SettingsCard) -> None:
    assert Shot(**shot_settings(read_fields(card.parameters))) == FINAL.applied_to(SHOT)
    for final in (
        replace(FINAL, hires=None),
        replace(FINAL, clip_skip=2, sampler="DPM++ SDE", schedule="Exponential", eta=0.5),
        replace(
            FINAL, hires=Hires(upscaler="4x_x", resize=(1024, 1536), denoise=0.35, steps=0, sampler="DDIM", cfg=4.0)
        ),
        replace(FINAL, sampler="UniPC", steps=9, cfg=7.25, width=640, height=448),
    ):
        text = replace(card, result=replace(card.result, final=final)).parameters
        fields = read_fields(text)
        assert Shot(**shot_settings(fields)).text == final.applied_to(SHOT).text
        assert unfollowed(fields) == ()


def test_the_text_keeps_to_what_the_webui_and_civitai_ask_for(card: SettingsCard) -> None:
    """The last line has three pairs or more, and begins with the steps; values with commas or colons are in quotes."""
    *above, last = card.parameters.split("\n")
    assert above == ["a cat, (soft:1.2)", "Negative prompt: blurry"]
    assert last.startswith(
        "Steps: 12, Sampler: Euler a, Schedule type: Automatic, CFG scale: 3.5, Seed: 7, Size: 512x768, "
    )
    assert ", Denoising strength: 0.7, " in last
    assert ", RNG: CPU, " in last
    assert ", Hires upscale: 2, Hires steps: 10, Hires upscaler: Lanczos, " in last
    assert "Clip skip" not in last, "1 is what the WebUI takes where there is none"
    assert "Model hash" not in last, "nothing is merged yet"


def test_a_checkpoint_has_its_own_name_and_hash(card: SettingsCard) -> None:
    alone = replace(card, models=(CardModel(letter="A", file="my mix.safetensors", sha256="f" * 64),))
    fields = read_fields(alone.parameters)
    assert (fields["Model"], fields["Model hash"]) == ("my mix", "f" * 10)


def test_markdown_tells_what_was_told_and_what_was_not(card: SettingsCard) -> None:
    text = markdown_text(card, {"Sampler": "grid-01-sampler.png"})
    assert f"Study 夜, recipe `{Recipe.flat(0.5).key}`." in text
    assert "| B | B\\_x.safetensors | `bbbbbbbbbb` |" in text
    assert "| CFG scale | **3.5** | 6 | 2 values of 3 told worse |" in text
    assert "* Could not be told: Hires upscaler." in text
    assert "87% of the work" in text
    assert "| DPM++ 2M Karras | −0.42 (−0.71 to −0.13) | 100% | 24 | worse |" in text
    assert "| **Euler a** |  | 100% | 24 | the best, chosen |" in text
    assert "| UniPC |  |  |  | not tried: it needs at least 3 steps |" in text
    assert "![Sampler](<grid-01-sampler.png>)" in text
    assert text.count("![") == 1
    assert f"```text\n{card.parameters}\n```" in text


def test_json_has_the_settings_and_the_hashes(card: SettingsCard) -> None:
    fields = json.loads(json.dumps(record(card)))
    assert fields["models"]["A"] == {"name": "A_x.safetensors", "sha256": "a" * 64}
    assert fields["recipe_key"] == Recipe.flat(0.5).key
    assert fields["recommended"]["settings"]["hires"]["upscaler"] == "Lanczos"
    assert fields["recommended"]["parameters"] == card.parameters


def test_a_joint_search_has_one_table(card: SettingsCard) -> None:
    joint = replace(card.result, mode="joint", steps=(), look_back=(), joint=SAMPLERS.values)
    text = markdown_text(replace(card, result=joint), {})
    assert [line for line in text.split("\n") if line.startswith("### ")] == ["### All settings"]
    assert "| DPM++ SDE Karras | −0.10 (−0.50 to +0.30) | 197% |" in text


@pytest.fixture
def files(copied: Path) -> tuple[SettingsResult, dict[str, Path], Subject]:
    """The files of a real search, and that nothing was rendered for them."""
    spec = read_study_file(copied)
    asked = asked_values(("Sampler = Euler a", "CFG Scale = 1, 3, 4", "Steps = 2", "Clip skip = 1"))
    with measuring(spec, Console(quiet=True), name="settings") as opened:
        setup: SettingsSetup = set_up(opened, subject_of(spec, finalist=1), asked, judged_shots(spec.shots, 8))
        result = SettingsSearch(setup=setup, progress=silent).run()
        drawn = opened.drawn
        (setup.folder / "grid-09-steps.png").write_bytes(b"of an earlier search")
        files = write_settings_card(setup, result)
        assert opened.drawn == drawn
        return result, {path.name: path for path in files}, setup.subject


def test_the_files_of_a_real_search(files: tuple[SettingsResult, dict[str, Path], Subject]) -> None:
    result, named, subject = files
    assert list(named) == ["card.md", "card.json", "card.txt", "grid-01-sampler.png", "grid-02-cfg-scale.png"]
    assert sorted(path.name for path in named["card.md"].parent.glob("*.png")) == sorted(named)[3:]
    text = named["card.md"].read_text()
    assert subject.candidate.recipe.key in text
    assert recommended.HEADING in text
    with Image.open(named["grid-02-cfg-scale.png"]) as grid:
        shown = grid.text["parameters"]  # pyright: ignore[reportAttributeAccessIssue]
    fields = read_fields(shown)
    chosen = result.steps[-3].chosen
    assert chosen is not None
    assert chosen.settings is not None
    assert float(fields["CFG scale"]) == chosen.settings.cfg
    assert "not kept" not in text
    assert named["card.txt"].read_text().startswith(fields["Prompt"])
