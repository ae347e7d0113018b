"""The matrix shows every effect as a number, colours what is told from noise, and can be read on a phone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studies.after_recipe.probe.drawing.matrix import (
    DISTANCE,
    LESS,
    MORE,
    NO_NUMBER,
    PHONE,
    WIDE,
    cell_colour,
    matrix_picture,
    notes_of,
    number_text,
    write_matrices,
)
from studies.after_recipe.probe.drawing.paper import DOTS, WHITE, Paper, height_of, ink_on, line_height
from studies.drawing.sheets import read_picture
from studies.results.probe import ONE, SCREEN, KnobEffect
from tests.studies.after_recipe.probe.made_up import knobs_of, made_up


def effect_of(ratio: float, *, error: float = 0.01) -> KnobEffect:
    """An effect of a measure with a sign."""
    result = made_up(lambda *_: (ratio, error), names=("contrast",), methods=(ONE,))
    return result.effects[0]


@pytest.mark.parametrize(
    ("ratio", "signed", "text"),
    [
        (0.234, True, "+0.23"),
        (-1.006, True, "−1.01"),
        (0.234, False, "0.23"),
        (0.001, True, "0.00"),
        (12.34, True, "+12.3"),
        (-9.997, True, "−10.0"),
        (123.4, True, "+123"),
    ],
)
def test_numbers_have_a_sign_where_the_measure_has_one_and_take_little_room(
    ratio: float, signed: bool, text: str
) -> None:
    assert number_text(effect_of(ratio), signed=signed) == text


def test_what_could_not_be_measured_has_no_number() -> None:
    assert number_text(None, signed=True) == NO_NUMBER
    assert number_text(replace(effect_of(1.0), effect=None, ratio=None), signed=True) == NO_NUMBER


def test_colours_are_full_at_twice_the_noise_of_seeds_and_white_within_the_noise() -> None:
    assert cell_colour(effect_of(2.0), signed=True) == MORE == cell_colour(effect_of(7.0), signed=True)
    assert cell_colour(effect_of(-2.0), signed=True) == LESS
    assert cell_colour(effect_of(2.0), signed=False) == DISTANCE
    assert cell_colour(effect_of(2.0, error=1.0), signed=True) == WHITE == cell_colour(None, signed=True)
    lumas = [sum(cell_colour(effect_of(ratio), signed=True)) for ratio in (0.1, 0.25, 0.5, 1.0, 2.0)]
    assert lumas == sorted(lumas, reverse=True)
    assert lumas[0] < sum(WHITE) - 40


def test_every_method_is_drawn_wide_and_for_a_phone(tmp_path: Path) -> None:
    files = write_matrices(made_up(), tmp_path / "probe")
    assert [file.name for file in files] == [
        "matrix-one-at-a-time.png",
        "matrix-one-at-a-time-phone.png",
        "matrix-screening.png",
        "matrix-screening-phone.png",
    ]
    widths = [read_picture(file).shape[1] for file in files]
    assert max(widths[1::2]) <= 800
    assert min(widths[::2]) > 1000


def count(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    """Number of pixels of a colour."""
    return sum(n for n, seen in picture.getcolors(1 << 24) or () if seen == colour)


def test_dots_are_where_effects_are_not_told_from_noise_and_nowhere_else() -> None:
    sure = matrix_picture(made_up(lambda *_: (1.0, 0.01)), ONE)
    noise = matrix_picture(made_up(lambda *_: (0.01, 1.0)), ONE)
    assert count(sure, DOTS) < 100
    assert count(noise, DOTS) > 100 * len(made_up().knobs) * len(made_up().columns)


def test_names_are_cut_before_they_leave_the_paper() -> None:
    long = made_up(knobs=knobs_of(sites=("OUT09:transformer_blocks.0.attn1.to_out.0.weight",)))
    for form in (WIDE, PHONE):
        picture = matrix_picture(long, SCREEN, form)
        edge = picture.crop((0, 0, form.margin // 2, picture.height))
        assert edge.getcolors() == [(edge.width * edge.height, WHITE)]
    assert matrix_picture(long, SCREEN, PHONE).width <= 800


def test_the_last_note_stands_on_the_paper() -> None:
    for form in (WIDE, PHONE):
        picture = matrix_picture(made_up(), ONE, form)
        low = picture.height - form.margin
        assert picture.crop((0, low, picture.width, picture.height)).getcolors() == [
            (picture.width * form.margin, WHITE)
        ]
        assert len(picture.crop((0, low - 3 * form.letter, picture.width, low)).getcolors() or ()) > 1


def test_knobs_that_a_method_did_not_move_have_no_row() -> None:
    whole = made_up()
    some = replace(
        whole, effects=tuple(one for one in whole.effects if one.method == SCREEN or one.knob.startswith("OUT"))
    )
    assert matrix_picture(some, ONE).height < matrix_picture(whole, ONE).height - 14 * WIDE.cell[1]
    assert matrix_picture(some, SCREEN).height == matrix_picture(whole, SCREEN).height


def test_paragraphs_take_the_height_that_is_told() -> None:
    paper = Paper(size=(300, 200))
    words = "many words that do not stand on one line of this width"
    assert paper.paragraph(words, (0, 0), 20, 300) == height_of(words, 20, 300) > line_height(20)
    assert (ink_on(WHITE), ink_on(MORE)) == ("dark", "light")


def test_a_screening_says_how_far_multipliers_and_adjust_values_went() -> None:
    assert any("0.2 of the way" in note for note in notes_of(made_up(), SCREEN))
    blocks = made_up(knobs=knobs_of(sites=(), fields=()))
    assert not any("of the way" in note for note in (*notes_of(made_up(), ONE), *notes_of(blocks, SCREEN)))
