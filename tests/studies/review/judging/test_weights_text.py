"""Weights written over in the text of a study file; everything else stays."""

from __future__ import annotations

import tomllib

import pytest

from studies.review.judging.weights_text import weights_line, with_weights


@pytest.mark.parametrize(
    "text",
    [
        "[scorers]\nencoder = 1\n",
        "[scorers]  # what looks\nweights = { style = 1.0 }  # mine\nencoder = 1\n[device]\n",
        "[study]\nweights = 1\n",
        "[scorers]\n[scorers.files]\nx = 1\n",
    ],
)
def test_weights_are_written_over_and_nothing_else(text: str) -> None:
    written = with_weights(text, {"style": 0.123456, "laion@clip-h": 2})
    before, after = tomllib.loads(text), tomllib.loads(written)
    assert after.pop("scorers").pop("weights") == {"style": 0.123, "laion@clip-h": 2.0}
    before.pop("scorers", None)
    assert after == before
    assert all(line in written for line in text.splitlines() if "style" not in line)
    assert ("# mine" in written) == ("# mine" in text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "[scorers.weights]  # mine\nstyle =  1  # more\nclip = 2\n\n# what renders\n[render]\n",
            '[scorers.weights]  # mine\nstyle =  2.0  # more\n"a@b" = 0.5\n\n# what renders\n[render]\n',
        ),
        (
            "[scorers]\nweights.style = 1\nkeep = []\n",
            '[scorers]\nweights.style = 2.0\nweights."a@b" = 0.5\nkeep = []\n',
        ),
        (
            "[scorers]\nkeep = []\n\n# what renders\n[render]\n",
            '[scorers]\nkeep = []\nweights = { style = 2.0, "a@b" = 0.5 }\n\n# what renders\n[render]\n',
        ),
        (
            "scorers = { keep = [], weights = { clip = 1 } }  # mine\n",
            'scorers = { keep = [], weights = { style = 2.0, "a@b" = 0.5 } }  # mine\n',
        ),
        ("[study]\n", '[study]\n\n[scorers]\nweights = { style = 2.0, "a@b" = 0.5 }\n'),
    ],
    ids=["table", "dotted", "none yet", "all in one line", "no scorers"],
)
def test_weights_are_written_over_wherever_they_stand(text: str, written: str) -> None:
    assert with_weights(text, {"style": 2, "a@b": 0.5}) == written


def test_names_that_need_quotes_have_them() -> None:
    assert weights_line({"a-b_1": 1, "./mine.py:Red": 0.5}) == 'weights = { a-b_1 = 1.0, "./mine.py:Red" = 0.5 }'
