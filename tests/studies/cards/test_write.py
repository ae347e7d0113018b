"""A card's files: read back as the recipe, nothing of a name obeyed as markup, every glyph there, all or none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import CheckpointError
from engine.recipes.recipe import MergeStep, Recipe
from studies.cards.canvas import WIDTH
from studies.cards.card import CardParent
from studies.cards.write import card_files, write_card
from studies.drawing.lettering import Lettering
from studies.recipes.inputs import InputOptions, read_input
from tests.studies.cards.made import JAPANESE, LONG, PROMPT, bare_card, full_card


def test_the_recipe_is_read_back_from_json_markdown_and_picture(tmp_path: Path) -> None:
    card = full_card()
    text, record, picture = write_card(card, tmp_path / f"{JAPANESE}.card.md").files
    for file in (record, text):
        found = read_input(str(file), InputOptions())
        assert found.recipe == card.recipe, file.suffix
        assert found.names["A"] == LONG
        assert found.hashes["B"] == "b" * 64
    entry = json.loads(Image.open(picture).text["sd_recipe_search"])  # pyright: ignore[reportAttributeAccessIssue]
    assert (Recipe.parse(entry["recipe"]), entry["models"]["A"]["name"]) == (card.recipe, LONG)


def test_a_file_name_cannot_end_the_comment_of_the_recipe(tmp_path: Path) -> None:
    evil = CardParent(letter="A", file="--> <script>.safetensors", sha256="a" * 64, licence="")
    card = replace(bare_card(), parents=(evil, *bare_card().parents[1:]))
    text = write_card(card, tmp_path / "x.card.md").files[0]
    assert read_input(str(text), InputOptions()).names["A"] == evil.file
    markup, _, comment = text.read_text().partition("<!--")
    assert "<script>" not in markup.partition("```")[0]
    assert comment.count("-->") == 1


def test_markdown_says_everything_and_obeys_no_name(tmp_path: Path) -> None:
    text = write_card(full_card(), tmp_path / "x.card.md").files[0].read_text(encoding="utf-8")
    assert r"CC0 \| see \`LICENSE\`" in text
    assert "| B | b.safetensors | `bbbbbbbbbb` |" in text
    assert "| C | not known | not known | not known | not stated |" in text
    assert "AutoV2 `cccccccccc`, AutoV3 `dddddddddddd`" in text
    assert "**Warning:** Its pictures moved aside." in text
    assert "OUT05:attn1 × 0.88" in text
    assert "| OUT11 | 1 | 0 |" in text
    assert f"* 水彩, SHA-256 `{'e' * 64}`" in text
    assert f"\n{PROMPT}\nSteps: 24" in text, "the WebUI's text is as it is, in a block of code"
    assert "\n> 線がきれい\n" in text


def test_the_picture_is_one_of_a_phones_width_twice_over(tmp_path: Path) -> None:
    for card in (full_card(), bare_card()):
        picture = Image.open(write_card(card, tmp_path / f"{len(card.title)}.card.md").files[2])
        assert picture.width == WIDTH == 800
        assert 600 < picture.height < 6000
        edges = [picture.getpixel((x, y)) for x in (2, WIDTH - 3) for y in range(0, picture.height, 7)]
        assert set(edges) == {(255, 255, 255)}, "nothing is written beyond the margins"
    assert Lettering().lacking([JAPANESE, PROMPT]) == ""


def test_more_blocks_than_can_be_drawn_are_told_in_words(tmp_path: Path) -> None:
    row = tuple(0.1 for _ in range(110))
    recipe = Recipe(steps=(MergeStep(alpha=row, extended=True),), dialect="head", family="sdxl")
    text = write_card(replace(bare_card(), recipe=recipe), tmp_path / "x.card.md").files[0].read_text()
    assert text.count("| 0.1 |") == 110


def test_files_are_named_by_any_of_them_and_written_all_or_none(tmp_path: Path) -> None:
    names = ("x.card.md", "x.card.json", "x.card.png")
    for out in ("x.card", *names):
        assert tuple(file.name for file in card_files(tmp_path / out)) == names
    (tmp_path / "x.card.png").write_bytes(b"there")
    with pytest.raises(CheckpointError, match=r"x\.card\.png: already exists"):
        write_card(bare_card(), tmp_path / "x.card.md")
    assert [file.name for file in tmp_path.iterdir()] == ["x.card.png"]
    assert len(write_card(bare_card(), tmp_path / "x.card.md", overwrite=True).files) == 3


def test_a_card_says_whose_licence_nobody_stated(tmp_path: Path) -> None:
    (note,) = write_card(full_card(), tmp_path / "x.card.md").notes
    assert note == "the licence of B, C is not stated"
