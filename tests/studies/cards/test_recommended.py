"""Recommended settings on a recipe's card: what was told and what was not, and a text that the WebUI reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from engine.shots.infotext import read_fields, shot_settings
from engine.shots.shot import Shot
from studies.cards import recommended, words
from studies.cards.canvas import WIDTH
from studies.cards.card import RecipeCard
from studies.cards.write import write_card
from studies.results.settings import SettingsResult
from tests.studies.cards.made import PROMPT, bare_card, full_card
from tests.studies.cards.made_settings import FINAL, START, STEPS, settings_result, value


@pytest.fixture
def result() -> SettingsResult:
    return settings_result()


@pytest.fixture
def card(result: SettingsResult) -> RecipeCard:
    return replace(full_card(), recommended=result)


def test_each_setting_stands_beside_the_studys_with_what_is_known(result: SettingsResult) -> None:
    rows = {row.name: row for row in recommended.setting_rows(result)}
    assert (rows["Sampler"].value, rows["Sampler"].before) == ("Euler a", "DPM++ 2M")
    assert rows["Sampler"].known == rows["Schedule type"].known == "1 value of 3 told worse"
    assert rows["Hires upscaler"].known == "cannot be told"
    assert rows["CFG scale"].known == "2 values of 3 told worse"
    assert rows["Clip skip"].known == "not tried"
    assert {name for name, row in rows.items() if row.is_changed} == {
        "Sampler", "Schedule type", "Hires upscaler", "CFG scale", "Steps",
    }  # fmt: skip


def test_a_setting_without_effect_is_none_beside_what_it_was(result: SettingsResult) -> None:
    plain = replace(result, final=replace(FINAL, hires=None))
    rows = {row.name: row for row in recommended.setting_rows(plain)}
    assert (rows["Hires upscaler"].value, rows["Hires upscaler"].before) == ("", "Latent")


def test_the_work_is_that_of_the_answer_by_that_of_the_start(result: SettingsResult) -> None:
    assert recommended.work_share(result) == pytest.approx(52 / 60)
    assert "87% of the work" in recommended.work_sentence(result)
    nothing = replace(result, steps=(), look_back=(), final=START)
    assert recommended.work_share(nothing) is None
    assert recommended.work_sentence(nothing) == ""


def test_a_look_back_is_later_than_the_step(result: SettingsResult) -> None:
    changed = replace(STEPS, values=tuple(replace(one, state="open", against_best=None) for one in STEPS.values))
    looked = replace(result.look_back[0], step=changed, holds=False)
    rows = recommended.setting_rows(replace(result, look_back=(looked,)))
    assert next(row.known for row in rows if row.name == "Steps") == "cannot be told"
    assert recommended.shown_steps(replace(result, look_back=(looked,)))[-1][0] == "Steps, looked at again"


def test_a_difference_has_its_interval(result: SettingsResult) -> None:
    assert recommended.difference_text(result.steps[0].values[0].against_best) == "−0.42 (−0.71 to −0.13)"
    assert recommended.difference_text(None) == ""


def test_the_example_of_a_card_has_the_recommended_settings(card: RecipeCard) -> None:
    fields = read_fields(words.example(card))
    assert Shot(**shot_settings(fields)) == FINAL.applied_to(card.shots[0])
    assert (fields["Model hash"], fields["Recipe"]) == ("c" * 10, card.recipe.key)
    assert "VAE" not in fields, "the merged one is in the model"
    baked = replace(card, recommended=replace(settings_result(), final=replace(FINAL, vae="soft.safetensors")))
    assert read_fields(words.example(baked))["VAE"] == "soft.safetensors"


def test_the_files_of_a_card_carry_the_settings(card: RecipeCard, tmp_path: Path) -> None:
    text, record, picture = write_card(card, tmp_path / "x.card.md").files
    markdown = text.read_text(encoding="utf-8")
    assert "| Sampler | **Euler a** | DPM++ 2M | 1 value of 3 told worse |" in markdown
    assert markdown.count("```text\n" + PROMPT) == 1, "one example, with the recommended settings"
    assert "* Each value has the same prompts and seeds." in markdown
    fields = json.loads(record.read_text(encoding="utf-8"))["card"]["recommended"]
    assert fields["settings"]["cfg"] == 3.5
    assert fields["not_told"] == ["Hires upscaler"]
    worse = fields["steps"][2]["values"][0]["from_the_best"]
    assert worse == {"mean": -0.59, "low": -0.97, "high": -0.22, "pictures": 24}
    shown = Image.open(picture).text["parameters"]  # pyright: ignore[reportAttributeAccessIssue]
    assert shown == fields["parameters"] == words.example(card)


def test_a_card_without_a_study_has_no_settings(tmp_path: Path) -> None:
    text, record, picture = write_card(bare_card(), tmp_path / "x.card.md").files
    assert recommended.HEADING not in text.read_text()
    assert "recommended" not in json.loads(record.read_text())["card"]
    assert "parameters" not in Image.open(picture).text  # pyright: ignore[reportAttributeAccessIssue]


def test_what_is_not_finished_says_so(result: SettingsResult, tmp_path: Path) -> None:
    half = replace(full_card(), recommended=replace(result, finished=False))
    assert recommended.UNFINISHED in write_card(half, tmp_path / "x.card.md").files[0].read_text()


def test_of_a_joint_search_those_are_told_that_were_compared_again(result: SettingsResult) -> None:
    joint = (
        value("the study's own", START, "worse", apart=(-0.5, -0.9, -0.1), is_start=True),
        value("cheap", FINAL, "equal", apart=(-0.01, -0.08, 0.06), cost=30.0, chosen=True),
        value("dear", replace(FINAL, steps=40), "best", cost=120.0),
        value("bad", replace(FINAL, steps=1), "open", cost=5.0, reason="beaten"),
    )
    both = replace(result, mode="joint", steps=(), look_back=(), joint=joint)
    assert [one.label for one in recommended.joint_values(both)] == ["the study's own", "cheap", "dear"]
    assert recommended.work_share(both) == pytest.approx(0.5)
    assert any(line.startswith("All settings: cheap is the cheapest of 2 that") for line in recommended.sentences(both))
    assert {row.known for row in recommended.setting_rows(both)} == {""}


def test_differences_below_the_margin_are_told_apart_from_none(result: SettingsResult) -> None:
    small = value("10", replace(FINAL, steps=10), "equal", apart=(-0.05, -0.08, -0.02), chosen=True)
    steps = replace(STEPS, values=(STEPS.values[0], small))
    rows = recommended.setting_rows(replace(result, steps=(steps,), look_back=()))
    assert next(row.known for row in rows if row.name == "Steps") == recommended.TOO_SMALL


def test_long_names_stay_within_the_margins_of_the_picture(card: RecipeCard, tmp_path: Path) -> None:
    final = replace(FINAL, vae="a_very_long_name_of_a_vae_that_nobody_types_水彩風の夕暮れ.safetensors")
    long = replace(card, recommended=replace(settings_result(), final=final, finished=False))
    with Image.open(write_card(long, tmp_path / "x.card.md").files[2]) as picture:
        edges = [picture.getpixel((x, y)) for x in (2, WIDTH - 3) for y in range(0, picture.height, 5)]
        plain = write_card(full_card(), tmp_path / "y.card.md").files[2]
        with Image.open(plain) as other:
            assert picture.height > other.height + 500
    assert set(edges) == {(255, 255, 255)}
