"""The judge page: blind pairs, answers that are kept once, undo and skip."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from studies.candidate import Candidate
from studies.pages.background.judging import Judging
from studies.pages.background.sitting import Sitting
from studies.pages.guard import Guard
from studies.pages.library import Library
from studies.pages.site import site
from studies.review.judging.pairs import pair_of
from studies.review.judging.picking import opened_picking
from studies.review.judging.picks import FILE, Pick, read_picks
from studies.store.access import Access
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.pages.conftest import ADDRESS, TOKEN, Visitor
from tests.studies.sample_study import write_small_study

OPENING_S = 300.0
JUDGE = "/s/small/judge"


@pytest.fixture(scope="module")
def spec(finished_once: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    """A copy of the study, for this module's answers."""
    folder = tmp_path_factory.mktemp("judged") / "copy"
    shutil.copytree(finished_once.storage.file.parent, folder)
    return read_study_file(folder / "study.toml")


@pytest.fixture(scope="module")
def client(spec: StudySpec) -> Generator[TestClient]:
    """Its pages, with the kept pictures opened."""
    access = Access(token=TOKEN, names=frozenset(), cookie="recipe-search-8090", private=False)
    app = Guard(site(Library([spec.storage.file]), access), access)
    with TestClient(app, base_url=ADDRESS, follow_redirects=False) as opened:
        opened.cookies.set("recipe-search-8090", TOKEN)
        locks = (spec.storage.folder / "locks").stat().st_mtime_ns
        assert 'http-equiv="refresh"' in opened.get(JUDGE).text, "the page reloads itself while it opens"
        assert "data-judge" in page(opened)
        assert (spec.storage.folder / "locks").stat().st_mtime_ns == locks, "a lock was taken"
        yield opened


def page(client: TestClient) -> str:
    """The page, once it is no longer opening."""
    until = time.monotonic() + OPENING_S
    while 'http-equiv="refresh"' in (text := client.get(JUDGE).text) and time.monotonic() < until:
        time.sleep(0.2)
    return text


def token_of(text: str) -> str:
    return re.findall(r'name="token" value="([^"]+)"', text)[0]


def pictures_of(client: TestClient, text: str) -> list[bytes]:
    names = re.findall(rf'src="({JUDGE}/[^"]+)"', text)
    assert len(names) == 2
    return [client.get(name).content for name in names]


def answer(client: TestClient, **fields: str) -> str:
    """Answer the pair that is shown; the token that was used."""
    token = token_of(page(client))
    done = client.post("/s/small/picks", data={"token": token, **fields})
    assert done.status_code == 303
    assert done.headers["location"] == JUDGE
    return token


def lines(spec: StudySpec) -> list[str]:
    path = spec.storage.folder / FILE
    return path.read_text().splitlines() if path.exists() else []


def test_nothing_says_which_is_which(client: TestClient, spec: StudySpec) -> None:
    store = StudyStore(spec.storage.folder, spec.storage.name)
    text = page(client)
    body = re.sub(r'(name="token" value|src)="[^"]*"', "", text)
    candidates = [Candidate.of(trial.user_attrs) for trial in store.trials()]
    for word in (*(one.key[:8] for one in candidates), *(one.recipe.key[:8] for one in candidates)):
        assert word not in text
    for word in ("flat", "finalist", "trial", "best", "recipe"):
        assert word not in body.lower().replace("recipe-search", ""), word
    first, second = (Image.open(io.BytesIO(content)) for content in pictures_of(client, text))
    assert (first.format, first.mode, first.size, first.info) == (second.format, second.mode, second.size, second.info)
    assert {content[12:16] for content in pictures_of(client, text)} == {b"VP8L"}


def test_names_of_pictures_are_of_one_showing(client: TestClient) -> None:
    names = re.findall(rf'src="({JUDGE}/[^"]+)"', page(client))
    assert re.findall(rf'src="({JUDGE}/[^"]+)"', page(client)) == names, "reloading shows the same pair"
    answer(client, answer="skipped")
    assert not set(re.findall(rf'src="({JUDGE}/[^"]+)"', page(client))) & set(names)
    assert client.get(f"{JUDGE}/{'A' * 16}.webp").status_code == 404


def test_an_answer_is_kept_for_the_pictures_that_were_shown(client: TestClient, spec: StudySpec) -> None:
    text = page(client)
    shown = [np.asarray(Image.open(io.BytesIO(content))) for content in pictures_of(client, text)]
    before = len(lines(spec))
    answer(client, answer="left", note=" the <b>left</b> one ")
    kept = Pick(**json.loads(lines(spec)[-1]))
    assert len(lines(spec)) == before + 1
    assert (kept.answer, kept.note) == ("left", "the <b>left</b> one")
    assert html.escape(kept.prompt) in text
    with opened_picking(spec) as picking:
        for one, other in zip(picking.gallery.pictures(pair_of(kept)), shown, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_form_that_is_sent_twice_changes_nothing(client: TestClient, spec: StudySpec) -> None:
    token = answer(client, answer="right")
    before = lines(spec)
    again = client.post("/s/small/picks", data={"token": token, "answer": "left"})
    assert (again.status_code, again.headers["location"]) == (303, JUDGE)
    undone = client.post("/s/small/undo", data={"token": token})
    assert (undone.status_code, undone.headers["location"]) == (303, JUDGE)
    assert lines(spec) == before


def test_an_answer_to_a_pair_of_another_server_is_said_to_be_lost(client: TestClient, spec: StudySpec) -> None:
    before = lines(spec)
    for address, fields in (("picks", {"answer": "left"}), ("undo", {})):
        lost = client.post(f"/s/small/{address}", data={"token": "of-yesterday", **fields})
        assert lost.headers["location"] == f"{JUDGE}?late=1"
    assert "could not be kept" in client.get(f"{JUDGE}?late=1").text
    assert lines(spec) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "undone"},
        {"answer": "broken"},
        {"broken": "middle"},
        {},
        {"answer": "left", "note": "x" * 2001},
    ],
)
def test_what_is_no_answer_is_refused(client: TestClient, spec: StudySpec, fields: dict[str, str]) -> None:
    before = lines(spec)
    done = client.post("/s/small/picks", data={"token": token_of(page(client)), **fields})
    assert done.status_code == 400
    assert lines(spec) == before


def test_undo_takes_one_answer_back_and_shows_its_pair_again(client: TestClient, spec: StudySpec) -> None:
    before = read_picks(spec.storage.folder)
    shown = pictures_of(client, page(client))
    answer(client, broken="both")
    assert read_picks(spec.storage.folder)[-1].broken == "both"
    done = client.post("/s/small/undo", data={"token": token_of(page(client))})
    assert done.headers["location"] == JUDGE
    assert read_picks(spec.storage.folder) == before
    assert pictures_of(client, page(client)) == shown
    assert [json.loads(line)["answer"] for line in lines(spec)[-2:]] == ["broken", "undone"]


def test_which_one_is_broken_is_asked_without_a_script(client: TestClient) -> None:
    text = client.get(f"{JUDGE}?how=broken").text
    assert set(re.findall(r'name="broken" value="(\w+)"', text)) == {"left", "right", "both"}
    assert 'name="answer"' not in text
    for how in ("zoom", "first", "second"):
        assert f"how-{how}" in client.get(f"{JUDGE}?how={how}").text
    assert "how-evil" not in client.get(f"{JUDGE}?how=evil").text


def test_after_twenty_answers_the_page_says_how_far_the_scorers_agree(client: TestClient, spec: StudySpec) -> None:
    while len(read_picks(spec.storage.folder)) < 20:
        answer(client, answer="left")
    assert re.search(r"The scorers agree with you in \d+ of \d+", page(client))


def test_an_answer_is_kept_though_the_pictures_were_closed_meanwhile(spec: StudySpec) -> None:
    judging, until = Judging(), time.monotonic() + OPENING_S
    while (look := judging.look(spec)).pair is None and time.monotonic() < until:
        assert look.state == "opening"
        time.sleep(0.2)
    assert look.pair is not None
    judging.close()
    before = len(lines(spec))
    assert judging.answer(spec, look.pair.token, "same", by="me")
    assert len(lines(spec)) == before + 1
    assert judging.look(spec).state == "opening"
    judging.close()


def test_pictures_that_nobody_judges_are_closed(spec: StudySpec) -> None:
    sitting = Sitting(spec, idle_s=0.0)
    sitting.wait()
    assert sitting.has_ended
    assert sitting.picking is None
    assert sitting.problems == ()


def test_one_who_may_not_write_opens_nothing(copied: Path, visitor: Visitor) -> None:
    text = visitor(copied).get(JUDGE).text
    assert "can only be read here" in text
    assert "refresh" not in text


def test_a_study_that_judges_differently_is_rescored_first(copied: Path, visitor: Visitor) -> None:
    copied.write_text(copied.read_text() + "weights = { style = 2.0 }\n")
    text = page(visitor(copied, writes=True))
    assert "recipe-search rescore" in text
    assert "Try again" in text


def test_a_study_that_was_never_run_has_nothing_to_judge(tmp_path: Path, visitor: Visitor) -> None:
    text = page(visitor(write_small_study(tmp_path), writes=True))
    assert "has not been run yet" in text


def test_a_scorer_that_nobody_allowed_does_not_run(copied: Path, visitor: Visitor) -> None:
    (copied.parent / "own.py").write_text("raise SystemExit('it ran')\n")
    copied.write_text(copied.read_text() + 'weights = { "own.py" = 1.0 }\n')
    text = page(visitor(copied, writes=True))
    assert "nobody has allowed it to run here" in text
    assert "--trust" in text
