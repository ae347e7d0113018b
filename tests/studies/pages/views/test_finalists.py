"""The finalists' page: what it shows, approval and rejection, each once for one form."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from studies.cli.main import main
from studies.pages.reading.reader import StudyReader
from studies.review.judging.rejections import read_rejections
from studies.store.judged.pins import read_pins
from studies.studyfile.read import read_study_file
from tests.studies.pages.conftest import Visitor
from tests.studies.sample_study import write_small_study

FINALISTS = "/s/small/finalists"
SCRIPT = "<script>alert('x')</script>"


def text_after_work(client: TestClient, place: str = FINALISTS) -> str:
    """The page, once no job runs."""
    until = time.monotonic() + 120
    while 'http-equiv="refresh"' in (text := client.get(place).text) and time.monotonic() < until:
        time.sleep(0.1)
    return text


def folder_of(study: Path) -> Path:
    return read_study_file(study).storage.folder


def test_every_held_out_picture_stands_in_its_column(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    text = client.get(FINALISTS).text
    study = StudyReader(copied).read()
    assert study.outcome is not None
    assert re.findall(r'<th scope="col">([AB]|FLAT_\d+)</th>', text)[:2] == ["A", "B"]
    columns = 3 + len(study.outcome.finalists)
    names = re.findall(r'src="(/s/small/pictures/p-[^"]+)"', text)
    assert len(names) == columns * len(study.spec.shots.proof)
    assert {client.get(name).status_code for name in names} == {200}
    for shot in study.spec.shots.proof:
        assert shot.prompt in text
    assert "the look, not the prompts" in text
    for comparison in study.outcome.finalists[0].comparisons:
        assert f"in {comparison.pictures_won} of {comparison.pictures} pictures" in text


def test_a_finalist_is_approved_once_and_the_study_says_it(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, writes=True)
    (after,) = set(re.findall(r'name="after" value="(\d+)"', client.get(FINALISTS).text))
    form = {"finalist": "2", "after": after, "note": f"clean {SCRIPT}", "by": f"me {SCRIPT}"}
    assert client.post("/s/small/approve", data=form).headers["location"] == FINALISTS
    text = text_after_work(client)
    assert "Approved: it is pin 1 now." in text
    assert "state-approved" in text
    assert SCRIPT not in text
    assert "clean &lt;script&gt;" in text
    (pin,) = read_pins(folder_of(copied), "small")
    assert (pin.source.startswith("finalist 2"), pin.note, pin.by) == (True, form["note"], form["by"])
    again = client.post("/s/small/approve", data=form)
    assert again.headers["location"] == f"{FINALISTS}?late=1"
    assert text_after_work(client)
    assert len(read_pins(folder_of(copied))) == 1
    assert "state-approved" in client.get("/s/small/exports").text


def test_a_trial_is_approved_too(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, writes=True)
    assert 'name="trial" value="3"' in client.get(f"{FINALISTS}?trial=3").text
    assert "There is no such trial" in client.get(f"{FINALISTS}?trial=9999").text
    client.post("/s/small/approve", data={"trial": "3", "after": "0", "note": "this one"})
    assert "pin 1" in text_after_work(client)
    assert read_pins(folder_of(copied))[0].source == "trial 3"


def test_other_model_files_are_not_approved(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, writes=True)
    with (copied.parent / "lamplight.safetensors").open("ab") as file:
        file.write(b"more")
    client.post("/s/small/approve", data={"finalist": "1", "after": "0", "note": "this one"})
    text = text_after_work(client)
    assert "Nothing was approved:" in text
    assert "is not the file that the study began with" in text
    assert not read_pins(folder_of(copied))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"finalist": "1", "after": "0", "note": "  "}, 409),
        ({"finalist": "1", "after": "0", "note": "x" * 2001}, 409),
        ({"finalist": "1", "trial": "2", "after": "0", "note": "both"}, 400),
        ({"after": "0", "note": "none"}, 400),
        ({"finalist": "-1", "after": "0", "note": "odd"}, 400),
    ],
)
def test_what_is_no_approval_pins_nothing(copied: Path, visitor: Visitor, fields: dict[str, str], status: int) -> None:
    client = visitor(copied, writes=True)
    assert client.post("/s/small/approve", data=fields).status_code == status
    assert not read_pins(folder_of(copied))


def test_a_finalist_that_is_not_there_fails_with_a_sentence(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, writes=True)
    client.post("/s/small/approve", data={"finalist": "77", "after": "0", "note": "this one"})
    assert "no finalist 77" in text_after_work(client)


def test_a_rejection_is_kept_once_and_shown(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, writes=True)
    form = {"finalist": "1", "after": "0", "reason": "other", "text": f"hands {SCRIPT}", "by": "me"}
    assert client.post("/s/small/reject", data=form).headers["location"] == FINALISTS
    assert client.post("/s/small/reject", data=form).headers["location"] == f"{FINALISTS}?late=1"
    (kept,) = read_rejections(folder_of(copied))
    assert (kept.reason, kept.text, kept.by) == ("other", form["text"], "me")
    text = client.get(FINALISTS).text
    assert "hands &lt;script&gt;" in text
    assert SCRIPT not in text
    shown = CliRunner().invoke(main, ["show", str(copied)])
    assert "rejected: " in shown.output
    assert "other: hands" in " ".join(shown.output.split())


@pytest.mark.parametrize(
    "fields",
    [
        {"finalist": "1", "reason": "no reason of ours"},
        {"finalist": "1", "reason": "other", "text": " "},
        {"finalist": "9", "reason": "looks wrong"},
        {"finalist": "1", "reason": "looks wrong", "text": "x" * 2001},
    ],
)
def test_what_is_no_rejection_is_refused(copied: Path, visitor: Visitor, fields: dict[str, str]) -> None:
    client = visitor(copied, writes=True)
    assert client.post("/s/small/reject", data={"after": "0", **fields}).status_code == 409
    assert not read_rejections(folder_of(copied))


def test_before_the_proof_the_page_says_when_finalists_come(tmp_path: Path, visitor: Visitor) -> None:
    text = visitor(write_small_study(tmp_path)).get(FINALISTS).text
    assert "There are no finalists yet" in text
    assert "<form" not in text


def test_the_page_leads_to_what_comes_after_the_recipe(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    text = client.get("/s/small/finalists").text
    after = text[text.index("After the recipe") :]
    for name in ("situations", "settings", "probe"):
        assert f'href="/s/small/{name}"' in after
        assert f"recipe-search {name} study.toml" in client.get(f"/s/small/{name}").text


def test_one_who_only_reads_gets_no_forms(copied: Path, visitor: Visitor) -> None:
    text = visitor(copied).get(FINALISTS).text
    assert "<form" not in text
    assert "can only be read here" in text
