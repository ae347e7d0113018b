"""What people say of blocks is answered by the pair's own numbers, and left open where these decide nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.after_recipe.probe.texts.claims import CLAIMS, Changes, Claim, Raises, Stronger
from studies.after_recipe.probe.texts.folklore import NOT_MOVED, answered, mean_size
from studies.results.folklore import AGREES, DISAGREES, OPEN, FolkloreAnswer
from studies.results.probe import ONE, SCREEN
from tests.studies.after_recipe.probe.made_up import UNITS, knobs_of, made_up

COMPOSITION = next(claim for claim in CLAIMS if claim.test == Stronger(knobs=("IN07",), measure="composition"))
"""IN07 is said to change the composition a lot."""
CONT = next(claim for claim in CLAIMS if claim.test == Raises(knob="adjust:CONT", measure="contrast"))
"""CONT is said to raise the contrast."""


def planted(knob: str, column: str, ratio: float, others: float = 0.3, error: float = 0.02):
    """Strengths where one knob stands out in one measure."""
    return lambda k, c: (ratio if (k, c) == (knob, column) else others, error)


def answer_to(claim: Claim, *args: object) -> FolkloreAnswer:
    return next(one for one in answered(made_up(*args)).answers if one.claim == claim.text)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("ratio", "answer"), [(2.0, AGREES), (0.01, DISAGREES), (0.31, OPEN)])
def test_a_block_that_is_said_to_be_strong_is_held_against_the_others(ratio: float, answer: str) -> None:
    told = answer_to(COMPOSITION, planted("IN07", "composition", ratio))
    assert told.answer == answer
    place = {AGREES: 1, DISAGREES: 26, OPEN: 1}[answer]
    assert f"(IN07 {place}. of 26)" in told.reason


def test_one_strong_block_is_not_enough_where_several_are_named() -> None:
    claim = next(claim for claim in CLAIMS if claim.text.startswith("OUT03, OUT06 and OUT08"))

    def strong(*blocks: str) -> FolkloreAnswer:
        return answer_to(claim, lambda k, c: (5.0 if k in blocks else 0.1 if k in claim.text else 0.3, 0.02))

    assert strong("OUT08").answer == OPEN
    assert strong("OUT08").reason.endswith("few of those named are strong")
    assert strong("OUT06", "OUT08").answer == AGREES
    assert "(OUT06 1., OUT08 2., OUT03 26. of 26)" in strong("OUT06", "OUT08").reason


def test_with_much_noise_the_same_numbers_decide_nothing() -> None:
    assert answer_to(COMPOSITION, planted("IN07", "composition", 2.0, error=1.5)).answer == OPEN


@pytest.mark.parametrize(("ratio", "answer"), [(1.0, AGREES), (-1.0, DISAGREES), (0.01, OPEN)])
def test_a_direction_is_told_by_the_sign_of_an_effect_that_is_clear(ratio: float, answer: str) -> None:
    assert answer_to(CONT, planted("adjust:CONT", "contrast", ratio)).answer == answer


def test_what_was_not_moved_cannot_be_told() -> None:
    result = made_up(knobs=knobs_of(sites=(), fields=()))
    for one, claim in ((one, claim) for one in answered(result).answers for claim in CLAIMS if claim.text == one.claim):
        knobs = (claim.test.knob,) if isinstance(claim.test, Raises | Changes) else claim.test.knobs
        if any(":" in knob for knob in knobs):
            assert (one.answer, one.reason) == (OPEN, NOT_MOVED)


def test_sites_of_an_element_stand_against_those_of_another() -> None:
    claim = next(claim for claim in CLAIMS if isinstance(claim.test, Stronger) and claim.test.than == ("*:attn1",))
    assert answer_to(claim, planted("self:OUT09:attn2", "fidelity", 1.0)).answer == AGREES
    assert answer_to(claim, planted("self:OUT09:attn1", "fidelity", 1.0)).answer == DISAGREES


def test_answers_that_are_told_come_first_and_are_counted() -> None:
    folklore = answered(made_up())
    kinds = [one.answer == OPEN for one in folklore.answers]
    assert kinds == sorted(kinds)
    assert 0 < sum(kinds) < len(kinds) == len(CLAIMS)
    assert folklore.remark.startswith(f"Of {len(CLAIMS)} claims, this pair agrees with ")
    assert f"; {sum(kinds)} cannot be told" in folklore.remark


def test_the_other_method_answers_when_asked() -> None:
    result = made_up(planted("IN07", "composition", 2.0))
    effects = [one if one.method == ONE else replace(one, effect=0.0, clear=False) for one in result.effects]
    both = replace(result, effects=tuple(effects))
    told = {method: answered(both, method).answers for method in (ONE, SCREEN)}
    assert any(one.claim == COMPOSITION.text and one.answer == AGREES for one in told[ONE])
    assert all(one.answer == OPEN for one in told[SCREEN])


def test_other_families_have_other_blocks() -> None:
    folklore = answered(replace(made_up(), family="sdxl"))
    assert folklore.answers == ()
    assert "26 blocks of SD1" in folklore.remark


def test_every_claim_names_knobs_and_measures_that_a_probe_has() -> None:
    sites, fields = ("OUT05:attn1", "OUT08:attn1", "OUT05:attn2"), ("IN", "OUT", "OUT2", "CONT", "COL1", "COL2", "COL3")
    result = made_up(lambda *_: (1.0, 0.01), knobs=knobs_of(sites=sites, fields=fields))
    assert set(UNITS) >= {claim.test.measure for claim in CLAIMS}
    assert NOT_MOVED not in {one.reason for one in answered(result).answers}
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.source for claim in CLAIMS)


def test_the_error_of_a_mean_of_four_is_half_of_each() -> None:
    four = [one for one in made_up(lambda *_: (1.0, 0.1)).effects if one.column == "pixels"][:4]
    assert mean_size(four).mean == pytest.approx(2.0)
    assert mean_size(four).standard_error == pytest.approx(0.1)
