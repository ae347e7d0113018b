"""Problems as values: how they read, how they move to another place, how they are collected and raised."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from engine.errors import (
    MISSING,
    CheckpointError,
    Named,
    Place,
    Problem,
    ProblemError,
    Problems,
    RecipeError,
    counted,
    counted_range,
    first_line,
    place_text,
    value_text,
)

WIDTH = Problem(place=("width",), what="must be a multiple of 8", seen=65, remedy="the nearest are 64 and 72")


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (WIDTH, "width: must be a multiple of 8 (65); the nearest are 64 and 72"),
        (Problem(what="there is no seed"), "there is no seed"),
        (Problem(place=("a", 0), what="is missing", remedy="add it"), "a[1]: is missing; add it"),
        (Problem(what="is no number", seen=None), "is no number (None)"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, line: str) -> None:
    assert str(problem) == line


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("prompts", 1, "seeds", 0), "prompts[2].seeds[1]"),
        ((Path("study.toml"), "space", "self", "OUT05:attn1"), 'study.toml: space.self."OUT05:attn1"'),
        (("search", "begin", 0, Path("a.toml"), "steps", 0), "search.begin[1]: a.toml: steps[1]"),
        ((Named("axis Seed"), Named("value 'x'")), "axis Seed: value 'x'"),
    ],
)
def test_a_place_reads_from_the_outside_in(place: Place, text: str) -> None:
    assert place_text(place) == text


def test_values_read_as_toml_writes_them() -> None:
    assert value_text({"a": [1, True, "x"], "b": (0.5,)}) == '{ a = [1, true, "x"], b = [0.5] }'
    assert len(value_text("y" * 500)) == 60


def test_a_problem_moves_without_its_words() -> None:
    moved = WIDTH.under(Path("study.toml"), "render")
    assert moved.place == (Path("study.toml"), "render", "width")
    assert (moved.what, moved.seen, moved.remedy) == (WIDTH.what, 65, WIDTH.remedy)
    assert WIDTH.advised("other").remedy == WIDTH.remedy
    assert Problem(what="x").advised("other").remedy == "other"


def test_an_error_of_one_problem_is_its_line() -> None:
    error = RecipeError("is 5", place=("alpha",), remedy="write a number")
    assert str(error) == "alpha: is 5; write a number"
    assert error.problems == (Problem(place=("alpha",), what="is 5", remedy="write a number"),)
    assert error.problems[0].seen is MISSING
    assert str(RecipeError.of([WIDTH], "the shot")) == f"the shot: {WIDTH}"


def test_an_error_of_several_counts_them() -> None:
    second = Problem(what="there is no seed")
    assert str(RecipeError.of([WIDTH, second])) == f"2 problems:\n  {WIDTH}\n  {second}"
    error = RecipeError.of([WIDTH, second], Path("a.toml"))
    assert str(error) == f"a.toml: 2 problems:\n  {WIDTH}\n  {second}"
    assert [problem.place for problem in error.problems] == [(Path("a.toml"), "width"), (Path("a.toml"),)]


def test_words_as_a_subject_stay_out_of_the_places() -> None:
    assert RecipeError.of([WIDTH], "the shot").problems == (WIDTH,)


def test_an_error_moves_with_its_kind() -> None:
    moved = CheckpointError.of([WIDTH, WIDTH]).under(Named("A"))
    assert type(moved) is CheckpointError
    assert [str(problem) for problem in moved.problems] == [f"A: {WIDTH}"] * 2
    assert str(moved) == f"2 problems:\n  A: {WIDTH}\n  A: {WIDTH}"


def test_an_error_keeps_its_problems_between_processes() -> None:
    error = CheckpointError.of([WIDTH, Problem(what="there is no seed")], Path("a.toml"))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), again.problems) == (CheckpointError, str(error), error.problems)
    assert again.problems[1].seen is MISSING


def test_problems_are_collected_at_places_and_raised_together() -> None:
    problems = Problems()
    problems.raise_as(RecipeError, "nothing is wrong")
    for name in ("A", "B"):
        with problems.collecting("models", name):
            raise CheckpointError("there is no such file", place=(Path("x"),))
    problems.add(("models",), "is empty", "name one", seen={})
    with pytest.raises(RecipeError) as caught:
        problems.raise_as(RecipeError, "the recipe")
    assert str(caught.value) == (
        "the recipe: 3 problems:\n  models.A: x: there is no such file\n  models.B: x: there is no such file\n"
        "  models: is empty ({}); name one"
    )


def test_a_problem_is_collected_once() -> None:
    problems = Problems()
    problems.extend([WIDTH, WIDTH])
    with problems.collecting():
        raise RecipeError.of([WIDTH])
    assert problems.found == [WIDTH]


def test_other_errors_are_not_collected() -> None:
    problems = Problems()
    with pytest.raises(KeyError), problems.collecting("a"):
        raise KeyError("x")
    assert len(problems) == 0


def test_the_first_line_of_another_librarys_error() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"


def test_every_packages_error_carries_problems() -> None:
    from scorers.errors import ScorerError
    from search.errors import SearchError
    from studies.errors import StudyError

    for kind in (RecipeError, CheckpointError, ScorerError, SearchError, StudyError):
        error: ProblemError = kind("x", remedy="y")
        assert (str(error), error.problems) == ("x; y", (Problem(what="x", remedy="y"),))


def test_values_as_deep_as_a_file_can_hold_are_cut() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    assert value_text(deep) == "[[[[[[[[…]]]]]]]]"
    assert value_text({"a": {"b": [1, "x"]}}) == '{ a = { b = [1, "x"] } }'


def test_counts_know_one_from_several_and_have_commas() -> None:
    assert [counted(number, "picture") for number in (0, 1, 1120)] == ["0 pictures", "1 picture", "1,120 pictures"]
    assert counted(2, "entry", "entries") == "2 entries"
    assert counted_range(280, 1120, "picture") == "280 to 1,120 pictures"
    assert counted_range(1120, 1120, "picture") == "1,120 pictures"
