"""Prompts of a new study: none is lost in silence, and the proof has its own where the list allows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.errors import StudyError
from studies.new_study.prompts import USUAL_PROMPTS, divided, read_prompt_list


def test_our_own_prompts_are_as_many_as_a_study_takes() -> None:
    prompts = divided(USUAL_PROMPTS)
    assert (prompts.searched, prompts.proved, prompts.left) == (16, 24, 0)
    assert [prompt.seeds for prompt in prompts.search] == [(seed,) for seed in range(1, 17)]
    assert len(set(USUAL_PROMPTS)) == len(USUAL_PROMPTS)


@given(st.integers(1, 120), st.booleans(), st.sampled_from([None, 1, 101, 12345]))
def test_every_prompt_has_its_place(length: int, has_first: bool, seed: int | None) -> None:
    texts = [f"prompt {number}" for number in range(length)]
    prompts = divided(texts, first="that of the picture" if has_first else "", seed=seed)
    searched = [prompt.text for prompt in prompts.search]
    total = length + has_first
    assert len({*searched, *prompts.proof}) == len(searched) + len(prompts.proof) == total - prompts.left
    assert bool(prompts.proof) == (total >= 8)
    assert (prompts.left > 0) == (total > 40)
    assert 16 <= prompts.searched <= 30
    assert 16 <= prompts.proved <= 33
    seeds = [one for prompt in prompts.search for one in prompt.seeds]
    assert len(set(seeds)) == len(seeds)
    assert not set(seeds) & set(prompts.proof_seeds)
    assert len({len(prompt.seeds) for prompt in prompts.search}) == 1
    if has_first:
        assert searched[0] == "that of the picture"
        assert seed is None or prompts.search[0].seeds[0] == seed


def test_search_and_proof_are_spread_alike_over_a_sorted_list() -> None:
    prompts = divided([f"{'girl' if number < 20 else 'house'} {number}" for number in range(40)])
    assert sum(prompt.text.startswith("girl") for prompt in prompts.search) == 8
    assert sum(text.startswith("girl") for text in prompts.proof) == 12


def test_a_picture_s_prompt_counts_once() -> None:
    prompts = divided(["a cat", "a dog"], first="a dog", seed=7)
    assert [prompt.text for prompt in prompts.search] == ["a dog", "a cat"]
    assert prompts.search[0].seeds[0] == 7


def test_what_becomes_of_the_prompts_is_said() -> None:
    few, many = divided(["a cat", "a dog"]), divided([f"prompt {number}" for number in range(50)])
    assert "2 prompts to search with, 16 pictures a recipe; the proof shows the same prompts with other seeds" in str(
        few.sentences
    )
    assert many.sentences[1].startswith("10 prompts of the list stand in neither: 40 are taken")


def test_a_list_says_what_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("# people\na girl\n\n  a boy \r\na girl\n", encoding="utf-16")
    found = read_prompt_list(tmp_path / "mine.txt")
    assert found.prompts == ("a girl", "a boy")
    assert found.notes == (
        "mine.txt: 1 line that begins with # left out",
        "mine.txt: line 5 is the same prompt as line 2, and counts once",
    )


def test_a_list_without_prompts_or_with_options_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("# nothing\n\n")
    with pytest.raises(StudyError, match=r"mine\.txt: holds no prompt; write one prompt a line"):
        read_prompt_list(path)
    path.write_text('a cat\n--prompt "a dog" --steps 5\n--seed 3\n')
    with pytest.raises(StudyError, match="2 problems") as refusal:
        read_prompt_list(path)
    assert "line 2 begins with options" in str(refusal.value)
    with pytest.raises(StudyError, match="cannot be read"):
        read_prompt_list(tmp_path / "gone.txt")
    with pytest.raises(StudyError, match="this is a folder"):
        read_prompt_list(tmp_path)
