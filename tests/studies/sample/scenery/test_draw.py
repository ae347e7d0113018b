"""Drawings: the same every time, a look that can be seen, and colours that obey the prompt in every look."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from studies.sample.scenery.contents import COLOURS, CONTENTS, PLACES, SUBJECTS, Content, random_layout
from studies.sample.scenery.draw import draw
from studies.sample.scenery.looks import AXES, MORE_AXES, WORDS, Look, described, partly_described, random_look

CORNERS = [
    Look(**dict(zip(axes, amounts, strict=True)))
    for axes in (AXES, MORE_AXES)
    for amounts in itertools.product((0.0, 1.0), repeat=3)
]
HOUSE = Content(subject="house", colour="red", place="beach")
NEAR = Look(composition=0.0, light=0.0, line=0.0)


def look(axis: str, amount: float) -> Look:
    """One axis at an amount, the others at 0."""
    return Look(**(dict.fromkeys(AXES, 0.0) | {axis: amount}))


def drawn(content: Content, wanted: Look, seed: int = 3) -> npt.NDArray[np.float64]:
    """A small drawing."""
    return draw(content, wanted, 64, seed).astype(float)


@pytest.mark.parametrize("wanted", CORNERS)
def test_a_drawing_is_the_same_every_time(wanted: Look) -> None:
    assert np.array_equal(drawn(HOUSE, wanted), drawn(HOUSE, wanted))
    assert not np.array_equal(drawn(HOUSE, wanted), drawn(HOUSE, wanted, seed=4))


@pytest.mark.parametrize("axis", [*AXES, *MORE_AXES])
def test_an_amount_between_is_between(axis: str) -> None:
    first, middle, last = (drawn(HOUSE, look(axis, amount)) for amount in (0.0, 0.5, 1.0))
    whole = np.abs(first - last).mean()
    assert whole > 4
    assert np.abs(first - middle).mean() < whole
    assert np.abs(last - middle).mean() < whole


def test_light_darkens_the_corners_and_not_the_windows() -> None:
    day, lamp = (drawn(HOUSE, look("light", amount)) for amount in (0.0, 1.0))
    assert lamp[:4, -4:].mean() < 0.6 * day[:4, -4:].mean()
    assert lamp.max((0, 1)).min() > 100, "the windows glow"


def test_ink_is_gone_where_shapes_are_modelled() -> None:
    inked, modelled = (drawn(HOUSE, look("line", amount)) for amount in (0.0, 1.0))

    def dark(picture: npt.NDArray[np.float64]) -> float:
        return float((picture.max(-1) < 90).mean())

    assert dark(inked) > 3 * dark(modelled)


def test_mist_hides_the_place_and_not_the_subject() -> None:
    clear, misty = (drawn(HOUSE, look("mist", amount)) for amount in (0.0, 1.0))
    assert misty[:8].std((0, 1)).sum() < 0.5 * clear[:8].std((0, 1)).sum()
    red = clear[..., 0] - clear[..., 1] > 80
    assert red.mean() > 0.02
    assert np.array_equal(clear[red], misty[red])


def test_chalk_makes_the_outlines_pale_and_a_card_has_a_margin() -> None:
    inked, chalked = (drawn(HOUSE, look("chalk", amount)) for amount in (0.0, 1.0))
    changed = np.abs(inked - chalked).sum(-1) > 60
    assert changed.mean() > 0.02
    assert (chalked[changed].sum(-1) > inked[changed].sum(-1)).all()
    card = drawn(HOUSE, look("card", 1.0))
    assert card[:6].std((0, 1)).max() == 0
    assert card[:6].min() > 230
    assert np.array_equal(card[10:-10, 10:-10], inked[10:-10, 10:-10])


def test_near_subjects_are_larger() -> None:
    rng = np.random.default_rng(0)
    near, far = (np.mean([random_layout(rng, amount).scale for _ in range(20)]) for amount in (0.0, 1.0))
    assert near > 1.6 * far


@pytest.mark.parametrize("wanted", CORNERS)
def test_a_red_house_is_red_and_a_blue_one_blue_in_every_look(wanted: Look) -> None:
    houses = (Content(subject="house", colour=colour, place="mountains") for colour in ("red", "blue"))
    red, blue = (drawn(house, wanted) for house in houses)
    wall = np.abs(red - blue).sum(-1) > 60
    assert wall.mean() > 0.02
    assert red[wall][:, 0].mean() > 1.5 * red[wall][:, 2].mean()
    assert blue[wall][:, 2].mean() > 1.5 * blue[wall][:, 0].mean()


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("place", PLACES)
def test_every_subject_stands_in_every_place(subject: str, place: str) -> None:
    rng = np.random.default_rng(1)
    for colour in COLOURS:
        picture = draw(Content(subject=subject, colour=colour, place=place), random_look(rng), 32, 1)
        assert picture.shape == (32, 32, 3)
        assert picture.std() > 10


def test_captions_name_what_they_should() -> None:
    assert len(CONTENTS) == 96
    assert Content(subject="cat", colour="orange", place="city").caption == "an orange cat in the city"
    assert described(HOUSE, Look(composition=1.0, light=0.0, line=0.45)) == (
        "a red house on the beach, very far away, in bright daylight, with faint lines"
    )
    rng = np.random.default_rng(0)
    named = [partly_described(HOUSE, NEAR, rng, 0.5) for _ in range(200)]
    assert {caption.count(",") for caption in named} == {0, 1, 2, 3}
    assert all(caption.startswith(HOUSE.caption) for caption in named)
    assert {len(words) for words in WORDS.values()} == {5}
