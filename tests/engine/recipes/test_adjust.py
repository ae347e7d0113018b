from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.recipes.adjust import ADJUSTED, SHIFTED, factor, parse_adjust, shift, to_eight, to_seven
from engine.recipes.dialects import DIALECTS, EIGHT_FIELDS, SEVEN_FIELDS, Dialect

numbers = st.floats(-10, 10, allow_nan=False)
rows = st.tuples(*[numbers] * len(SEVEN_FIELDS))
CLASSIC, OLD = DIALECTS["classic"], DIALECTS["2023"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", ()),
        ("5", ()),
        ("0,0,0,0", ()),
        (" 0, 0 ", ()),
        ("1,2", (1, 2, 0, 0, 0, 0, 0, 0)),
        ("0,0,0,-1, 1,1,1", (0, 0, 0, -1, 1, 1, 1, 0)),
        ("1,x,,3e-1,-0.5,0,0,0,9", (1, 0, 0, 0.3, -0.5, 0, 0, 0)),
        ("0.0,0", (0,) * 8),
    ],
)
def test_a_text_is_read_as_supermerger_does(text: str, values: tuple[float, ...]) -> None:
    assert parse_adjust(text, CLASSIC) == values


def test_seven_fields_end_there() -> None:
    assert parse_adjust("1,2,3,4,5,6,7,8", OLD) == (1, 2, 3, 4, 5, 6, 7)


def test_infinite_fields_are_refused() -> None:
    with pytest.raises(RecipeError, match="has a field that is not finite"):
        parse_adjust("1,inf", CLASSIC)


def test_six_tensors_are_touched() -> None:
    assert len(ADJUSTED) == 6
    values = (1, -2, 1.5, -3, 0.5, 2, -1, 0.25)
    unet = "model.diffusion_model."
    assert factor(values, f"{unet}input_blocks.0.0.bias") == 1.02
    assert factor(values, f"{unet}out.2.weight") == 0.985
    assert factor(values, SHIFTED) == factor((), f"{unet}out.2.weight") == factor(values, "betas") == 1


@pytest.mark.parametrize(
    ("values", "family", "wanted"),
    [
        ((0, 0, 0, -1, 1, 1, 1), "sd1", (-0.02, 0.02, 0.02, 0.02)),
        ((0, 0, 0, -1, 1, 1, 1, 0), "sd1", (-0.02, 0, 0.02 / 3, -0.02 / 3)),
        ((0, 0, 0, -1, 1, 1, 1, 0), "sdxl", (-0.02, 0, -0.02, 0.02)),
        ((0, 0, 0, 5, 0, 0, 0, 0), "sd2", (0.1, 0, 0, 0)),
    ],
)
def test_the_shift_is_as_measured(values: tuple[float, ...], family: FamilyName, wanted: tuple[float, ...]) -> None:
    assert shift(values, family) == pytest.approx(wanted, abs=1e-9)


@given(rows, st.sampled_from(["sd1", "sdxl"]))
def test_seven_fields_become_eight_and_back(values: tuple[float, ...], family: FamilyName) -> None:
    eight = to_eight(values, family)
    assert len(eight) == len(EIGHT_FIELDS)
    assert shift(eight, family) == pytest.approx(shift(values, family), abs=1e-9)
    assert eight[:3] == values[:3]
    assert to_seven(eight, family) == pytest.approx(values, abs=1e-9)


def test_the_published_translation() -> None:
    assert to_eight((0, 0, 0, -1, 1, 1, 1)) == pytest.approx((0, 0, 0, -1, 0.5, 0.833333, 0, 0.666667), abs=1e-6)
    with pytest.raises(RecipeError, match="8 Adjust values; seven are translated"):
        to_eight((0.0,) * 8)
    with pytest.raises(RecipeError, match="7 Adjust values; eight are translated"):
        to_seven((0.0,) * 7)


@given(st.one_of(st.text(), st.text(alphabet="0123456789.,-e x")), st.sampled_from([OLD, CLASSIC]))
def test_any_text_is_fields_or_refused(text: str, dialect: Dialect) -> None:
    try:
        values = parse_adjust(text, dialect)
    except RecipeError as error:
        assert "is not finite" in str(error)  # noqa: PT017 - texts that are fields are fine too
        return
    assert len(values) in {0, len(dialect.adjust_fields)}
    if any(values):
        assert parse_adjust(",".join(map(repr, values)), dialect) == values
