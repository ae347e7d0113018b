"""Metrics in Prometheus' text format, checked by the format's own grammar, and who may read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from studies.errors import StudyError
from studies.pages.guard import Guard
from studies.pages.library import Library
from studies.pages.server import MetricsOffer
from studies.pages.site import site
from studies.status.metrics import metrics_text
from studies.status.watched import WatchedStudies
from studies.store.access import Access

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
PAIR = rf'{LABEL}="(?:[^"\\\n]|\\[\\"n])*"'
VALUE = r"[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|Inf|NaN)"
LINE = re.compile(rf"(?P<name>{NAME})(?:\{{(?P<labels>{PAIR}(?:,{PAIR})*)\}})? (?P<value>{VALUE})")
"""A sample, as https://prometheus.io/docs/instrumenting/exposition_formats/ has it."""


def samples(text: str) -> dict[str, dict[str, float]]:
    """Read the format strictly; returns values by labels by name."""
    found: dict[str, dict[str, float]] = {}
    kind = about = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            about = line.split(" ", 3)[2]
        elif line.startswith("# TYPE "):
            _, _, kind, what = line.split(" ")
            assert kind == about, "help comes before the type"
            assert kind not in found, "the lines of one metric stand together"
            assert what in ("counter", "gauge")
            assert kind.endswith("_total") == (what == "counter")
            found[kind] = {}
        else:
            match = LINE.fullmatch(line)
            assert match, line
            assert match["name"] == kind
            assert match["labels"] not in found[kind], "no sample comes twice"
            found[kind][match["labels"]] = float(match["value"])
    return found


def test_every_line_is_of_the_format_and_says_how_the_study_stands(copied: Path) -> None:
    found = samples(metrics_text(WatchedStudies([copied]).look()))
    assert all(name.startswith("recipe_search_") for name in found)
    states = found["recipe_search_study_state"]
    assert [labels for labels, value in states.items() if value] == ['study="small",state="proved"']
    assert len(states) == 10
    assert sum(found["recipe_search_trials_total"].values()) == 13
    assert found["recipe_search_trials_total"]['study="small",stage="flat",result="scored"'] == 12
    assert found["recipe_search_pictures_total"] == {'study="small"': 52}
    assert found["recipe_search_study_size_bytes"]['study="small"'] > 1e6
    assert "recipe_search_done_timestamp_seconds" not in found, "there is no night"


def test_names_of_studies_are_escaped_and_told_apart(copied: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "study.toml").write_text('[models]\n[study]\nname = "a \\"b\\" \\\\ \\n c"\n')
    found = samples(metrics_text(WatchedStudies([tmp_path]).look()))
    workers = found["recipe_search_workers"]
    assert list(workers) == ['study="small"', r'study="a \"b\" \\ \n c"', r'study="a \"b\" \\ \n c-2"']


def client_of(file: Path, *, private: bool, token: str = "", metrics: bool = True) -> TestClient:
    access = Access(token="of-the-pages", names=frozenset({"localhost"}), cookie="c", private=private)
    app = Guard(site(Library([file]), access, metrics=metrics), access, token)
    return TestClient(app, base_url="http://127.0.0.1:8090", follow_redirects=False)


def test_metrics_are_there_only_if_asked_for(copied: Path) -> None:
    assert client_of(copied, private=False, metrics=False).get("/metrics").status_code == 404
    answer = client_of(copied, private=False).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(answer.text)["recipe_search_workers"] == {'study="small"': 0}


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 403),
        ("Bearer wrong", 403),
        ("Bearer ", 403),
        ("Basic of-monitoring", 403),
        ("of-monitoring", 403),
        ("Bearer of-monitoring", 200),
        ("bearer of-the-pages", 200),
    ],
)
def test_where_other_machines_reach_the_server_metrics_need_a_token(
    copied: Path, header: str | None, status: int
) -> None:
    client = client_of(copied, private=True, token="of-monitoring")
    assert client.get("/metrics", headers={"Authorization": header} if header else {}).status_code == status


def test_without_a_token_of_its_own_an_empty_one_opens_nothing(copied: Path) -> None:
    client = client_of(copied, private=True)
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403


def test_the_token_of_monitoring_opens_nothing_else(copied: Path) -> None:
    client = client_of(copied, private=True, token="of-monitoring")
    with_it = {"Authorization": "Bearer of-monitoring"}
    assert client.get("/s/small", headers=with_it).status_code == 403
    assert client.get("/metrics/../s/small", headers=with_it).status_code == 403
    assert client.post("/metrics", headers=with_it).status_code == 403
    assert client.post("/s/small/ask", headers=with_it, data={"what": "stop"}).status_code == 403
    assert client.get("/metrics?token=of-monitoring").status_code == 403
    assert client.get("/metrics", headers={**with_it, "Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("text", ["", "short", "two words of sixteen", "ünicode-ünicode-ünicode"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(StudyError, match="no token"):
        MetricsOffer.with_token_of(tmp_path / "token")
    (tmp_path / "token").write_text("0123456789abcdef\n")
    assert MetricsOffer.with_token_of(tmp_path / "token").token == "0123456789abcdef"
