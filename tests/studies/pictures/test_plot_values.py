"""The values of a plot's axis, as they are written and as they are meant."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.errors import StudyError
from studies.pictures.plot_values import MOST_VALUES, csv_text, items, numbers, texts, whole_numbers

SMALL = st.integers(-50, 50)
HUNDREDTHS = st.integers(-300, 300).map(lambda number: Fraction(number, 100))


def written(number: Fraction) -> str:
    return f"{float(number):.2f}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7]),
        ("-3", [-3]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("1 - 3", [1, 2, 3]),
        ("1-5(+2)", [1, 3, 5]),
        ("1-5 (+2)", [1, 3, 5]),
        ("10-5(-3)", [10, 7]),
        ("10-1(-3)", [10, 7, 4, 1]),
        ("1-6(+2)", [1, 3, 5]),
        ("1-10[5]", [1, 3, 5, 7, 10]),
        ("-2--5(-1)", [-2, -3, -4, -5]),
        ("4294967294", [4294967294]),
    ],
)
def test_whole_numbers_as_in_the_webuis_manual(text: str, expected: list[int]) -> None:
    assert whole_numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7.5", [7.5]),
        (".5", [0.5]),
        ("1-3 (+0.5)", [1.0, 1.5, 2.0, 2.5, 3.0]),
        ("0-1(+0.3)", [0.0, 0.3, 0.6, 0.9]),
        ("0.0-1.0 [6]", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ("0.2-0.8[4]", [0.2, 0.4, 0.6, 0.8]),
        ("1-0(-0.5)", [1.0, 0.5, 0.0]),
        ("3-9[1]", [3.0]),
    ],
)
def test_numbers(text: str, expected: list[float]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is neither a whole number nor a range; write 7, 1-5"),
        ("a", "is neither a whole number"),
        ("1.5", "is neither a whole number"),
        ("1-2.5", "is neither a whole number"),
        ("5-1", r"never comes to its end; write 5-1\(-1\)"),
        ("1-5(-2)", r"write 1-5\(\+2\)"),
        ("1-5(0)", r"write 1-5\(\+1\)"),
        ("1-5[0]", "is an empty range"),
        ("1-99999", f"has 99999 values; at most {MOST_VALUES}"),
        ("0-1[99999]", "has 99999 values"),
        ("nan", "is neither a whole number"),
    ],
)
def test_what_is_no_value_says_why(text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        whole_numbers(text)


@given(first=SMALL, step=st.integers(1, 9), count=st.integers(1, 20), down=st.booleans(), over=st.integers(0, 8))
def test_whole_ranges_in_steps_round_trip(first: int, step: int, count: int, down: bool, over: int) -> None:
    """Written from its values, wherever beyond the last value the end lies, a range has just these values."""
    sign = -1 if down else 1
    values = [first + sign * step * place for place in range(count)]
    end = values[-1] + sign * min(over, step - 1)
    assert whole_numbers(f"{first}-{end}({'-' if down else '+'}{step})") == values


@given(first=HUNDREDTHS, step=st.integers(1, 200).map(lambda number: Fraction(number, 100)), count=st.integers(1, 20))
def test_ranges_of_fractions_are_exact(first: Fraction, step: Fraction, count: int) -> None:
    values = [first + step * place for place in range(count)]
    assert numbers(f"{written(first)}-{written(values[-1])}(+{written(step)})") == [float(value) for value in values]


@given(first=HUNDREDTHS, last=HUNDREDTHS, count=st.integers(2, 20))
def test_counted_ranges_go_evenly_from_end_to_end(first: Fraction, last: Fraction, count: int) -> None:
    values = [first + (last - first) * place / (count - 1) for place in range(count)]
    found = numbers(f"{written(first)}-{written(last)}[{count}]")
    assert found == pytest.approx([float(value) for value in values], abs=1e-12)
    assert (found[0], found[-1]) == (float(first), float(last))


@given(st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1).map(str.strip), min_size=1))
def test_lists_round_trip(values: list[str]) -> None:
    assert items(csv_text(values)) == values


def test_lists_have_quotes_and_blanks() -> None:
    assert items('red, "blue, dark", , green\n8') == ["red", "blue, dark", "", "green", "8"]
    assert items("") == []
    with pytest.raises(StudyError, match="quotes come in pairs"):
        items('"red, blue')


def test_whole_texts_stand_on_lines_where_there_are_lines() -> None:
    assert texts("a cat, red\n a dog, blue\n") == ["a cat, red", "a dog, blue"]
    assert texts("a cat, red") == ["a cat", "red"]


def test_a_count_of_endless_digits_is_refused() -> None:
    with pytest.raises(StudyError, match="is neither a whole number nor a range"):
        whole_numbers(f"1-2[{'9' * 5000}]")
