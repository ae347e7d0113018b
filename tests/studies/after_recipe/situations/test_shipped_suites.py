"""The suites that ship: ours for real models, and the sample world's."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.after_recipe.situations.shots import situation_seeds, suite_shots
from studies.after_recipe.situations.suite import Situation, read_suite
from studies.sample.scenery.contents import COLOURS, CONTENTS, SUBJECTS, WHERE
from studies.sample.world import SUITE
from studies.studyfile.read import read_study_file
from tests.studies.study_text import write_study

CAPTIONS = {content.caption.replace("an orange", "a orange") for content in CONTENTS}
"""What the sample world's prompts say; the article makes no difference to its pictures."""
OURS = read_suite()


def test_ours_has_what_its_users_ask_for() -> None:
    assert set(OURS.aspects) == {
        "daytime",
        "framing",
        "hands",
        "light",
        "people",
        "places",
        "seasons",
        "subjects",
        "text",
    }
    assert OURS.is_shipped
    assert OURS.hints == ()


@pytest.mark.parametrize("aspect", OURS.aspects)
def test_each_list_of_ours_is_short_and_has_words_that_differ(aspect: str) -> None:
    assert 6 <= len(OURS.aspects[aspect]) <= 12
    words = [one.word.casefold() for one in OURS.aspects[aspect]]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("one", OURS.situations, ids=lambda one: one.key)
def test_each_prompt_of_ours_is_whole_and_fits_into_one_chunk(one: Situation) -> None:
    assert "__" not in one.template
    assert len(one.template.split()) < 40
    assert one.template == one.template.strip(" ,")
    assert one.template.isascii()


def test_the_sample_worlds_asks_for_all_that_it_can_draw(tmp_path: Path) -> None:
    suite = read_suite(SUITE)
    words = {aspect: {one.word for one in some} for aspect, some in suite.aspects.items()}
    assert words == {"colours": {*COLOURS}, "places": {*WHERE.values()}, "subjects": {*SUBJECTS}}
    spec = read_study_file(write_study(tmp_path))
    for shots in suite_shots(suite, spec, situation_seeds(spec.shots, 4)).values():
        assert {prompt for shot in shots for prompt in shot.prompts.values()} <= CAPTIONS
        assert len({shot.shot.prompt for shot in shots}) > 1
