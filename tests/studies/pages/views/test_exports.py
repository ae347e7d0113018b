"""The exports' page: every form with what it writes or why not; files of the folder and nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from pathlib import Path

import pytest
from markupsafe import escape

from studies.pages.background import refusals
from studies.pages.reading.exports import exported_files, exported_picture, exported_text
from studies.review.approval import approve_recipe
from studies.review.exporting.export_forms import FormRefusal, refusals_of_forms
from studies.review.exporting.export_targets import EXPORT_FORMS
from studies.store.judged.pins import Pin, read_pins
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import Storage, StudySpec
from tests.studies.pages.conftest import Visitor
from tests.studies.pages.views.test_finalists import text_after_work

EXPORTS = "/s/small/exports"


@pytest.fixture
def pinned(copied: Path) -> Path:
    """The study file of a study with a pin."""
    storage = read_study_file(copied).storage
    approve_recipe(storage, finalist=1, trial=None, note="for the tests", by="tester")
    return copied


def test_a_checkpoint_is_written_once(pinned: Path, visitor: Visitor) -> None:
    client = visitor(pinned, writes=True)
    assert "Write the checkpoint" in client.get(EXPORTS).text
    form = {"pin": "1", "target": "checkpoint"}
    assert client.post("/s/small/export", data=form).headers["location"] == EXPORTS
    text = text_after_work(client, EXPORTS)
    storage = read_study_file(pinned).storage
    files = exported_files(storage, ())
    (checkpoint,) = [file for file in files if file.name.endswith(".safetensors")]
    path = storage.folder / "exports" / checkpoint.name
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest(), "its hash is known without reading it"
    assert f"sha256 {checkpoint.sha256}" in text
    assert "Write the checkpoint" not in text
    before = path.stat().st_mtime_ns
    assert client.post("/s/small/export", data=form).headers["location"] == f"{EXPORTS}?late=1"
    text_after_work(client, EXPORTS)
    assert path.stat().st_mtime_ns == before
    (words,) = [file for file in files if file.is_text]
    download = client.get(f"{EXPORTS}/{words.name}")
    assert download.status_code == 200
    assert download.headers["content-disposition"] == "attachment"
    assert download.headers["content-type"] == "text/plain; charset=utf-8"
    assert "SuperMerger" in download.text
    assert client.get(f"{EXPORTS}/{checkpoint.name}").status_code == 404, "only small texts are downloaded"


def test_models_that_changed_are_not_exported(pinned: Path, visitor: Visitor) -> None:
    client = visitor(pinned, writes=True)
    with (pinned.parent / "lamplight.safetensors").open("ab") as file:
        file.write(b"more")
    client.post("/s/small/export", data={"pin": "1", "target": "checkpoint"})
    assert "SHA-256 differs" in text_after_work(client, EXPORTS)
    assert not list((read_study_file(pinned).storage.folder / "exports").glob("*.safetensors"))


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"pin": "1", "target": "../evil"}, 400),
        ({"pin": "one", "target": "checkpoint"}, 400),
        ({"pin": "9", "target": "checkpoint"}, 409),
    ],
)
def test_what_is_no_export_writes_nothing(pinned: Path, visitor: Visitor, form: dict[str, str], status: int) -> None:
    client = visitor(pinned, writes=True)
    assert client.post("/s/small/export", data=form).status_code == status
    assert not (read_study_file(pinned).storage.folder / "exports").exists()


def test_every_form_is_there_with_a_button_or_its_reason(pinned: Path, visitor: Visitor) -> None:
    client = visitor(pinned, writes=True)
    text = text_after_work(client, EXPORTS)
    spec = read_study_file(pinned)
    (pin,) = read_pins(spec.storage.folder)
    refused = refusals_of_forms(spec, pin)
    assert {"bbc-mc", "a1111", "kohya"} & refused.keys(), "a recipe of the search is none of one ratio"
    for name, form in EXPORT_FORMS.items():
        assert form.summary in text.replace("&#39;", "'"), name
        assert (f'name="target" value="{name}"' in text) == (name not in refused), name
    for name, refusal in refused.items():
        assert refusal.nearest not in (None, name, *refused)
        for reason in refusal.reasons:
            assert str(escape(reason)) in text


def test_a_card_is_written_with_licences_shown_and_written_again(pinned: Path, visitor: Visitor) -> None:
    client = visitor(pinned, writes=True)
    form = {"pin": "1", "target": "card", "licence-A": " CC0 <b> ", "licence-B": "", "licence-Z": "nobody's"}
    assert client.post("/s/small/export", data=form).headers["location"] == EXPORTS
    text = text_after_work(client, EXPORTS)
    names = re.findall(r"small-1-[0-9a-f]{8}\.card\.(?:md|json|png)", text)
    assert {name.rpartition(".")[2] for name in names} == {"md", "json", "png"}
    for name in set(names):
        answer = client.get(f"{EXPORTS}/{name}")
        kind = "image/png" if name.endswith(".png") else "text/plain; charset=utf-8"
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    markdown = client.get(f"{EXPORTS}/{next(name for name in names if name.endswith('.md'))}").text
    assert r"CC0 \<b\>" in markdown
    assert markdown.count("not stated") == 1
    assert "AutoV3" not in markdown
    assert "Write the card again" in text
    client.post("/s/small/export", data={"pin": "1", "target": "checkpoint"})
    text_after_work(client, EXPORTS)
    client.post("/s/small/export", data={"pin": "1", "target": "card"})
    text_after_work(client, EXPORTS)
    again = client.get(f"{EXPORTS}/{next(name for name in names if name.endswith('.md'))}").text
    assert "AutoV3" in again
    assert again.count("not stated") == 2


def test_the_page_answers_while_refusals_are_looked_for(
    pinned: Path, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def slowly(spec: StudySpec, pin: Pin) -> dict[str, FormRefusal]:
        may_end.wait(30)
        return {"meh": FormRefusal(reasons=("it takes one ratio",), nearest="script")}

    monkeypatch.setattr(refusals, "refusals_of_forms", slowly)
    client = visitor(pinned, writes=True)
    begun = time.monotonic()
    text = client.get(EXPORTS).text
    assert time.monotonic() - begun < 5
    assert "It is being looked up which tools can hold this recipe" in text
    assert 'http-equiv="refresh"' in text
    assert 'value="meh"' not in text
    assert "Write the checkpoint" in text
    may_end.set()
    text = text_after_work(client, EXPORTS)
    assert "it takes one ratio" in text
    assert "The nearest form that can hold this recipe: script" in text
    assert 'value="meh"' not in text
    assert 'value="mecha"' in text


def test_who_only_reads_sees_no_buttons(pinned: Path, visitor: Visitor) -> None:
    text = text_after_work(visitor(pinned), EXPORTS)
    assert 'name="target"' not in text
    assert "can only be read here" in text


def test_a_model_that_is_gone_is_a_reason_and_no_fault(pinned: Path, visitor: Visitor) -> None:
    (pinned.parent / "lamplight.safetensors").unlink()
    text = text_after_work(visitor(pinned, writes=True), EXPORTS)
    assert "lamplight.safetensors: " in text


@pytest.mark.parametrize("name", ["..%2f..%2fstudy.toml", "%2e%2e%2foutcome.json", "%2fetc%2fhostname", "a%00.txt"])
def test_no_path_leads_out_of_the_exports(copied: Path, visitor: Visitor, name: str) -> None:
    (read_study_file(copied).storage.folder / "exports").mkdir()
    assert visitor(copied).get(f"{EXPORTS}/{name}").status_code == 404


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A folder of exports with a text, a link, a folder, a pipe and a large text."""
    exports = tmp_path / "runs" / "exports"
    (exports / "folder.txt").mkdir(parents=True)
    (exports / "plain.txt").write_text("words")
    (tmp_path / "secret.txt").write_text("secret")
    (exports / "link.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(exports / "pipe.txt")
    (exports / "large.txt").write_bytes(b"x" * ((1 << 20) + 1))
    (exports / "picture.png").symlink_to(tmp_path / "secret.txt")
    (exports / ".hidden.txt").write_text("of a writer that was killed")
    return Storage(file=tmp_path / "study.toml", name="one", folder=tmp_path / "runs")


def test_links_pipes_and_large_files_are_no_downloads(storage: Storage) -> None:
    assert exported_text(storage, "plain.txt") == b"words"
    for name in ("link.txt", "pipe.txt", "folder.txt", "large.txt", "../../secret.txt", "", "..", "plain.bin"):
        assert exported_text(storage, name) is None, name
    for name in ("picture.png", "../picture.png", "plain.txt"):
        assert exported_picture(storage, name) is None, name
    shown = {file.name: file.is_text for file in exported_files(storage, ())}
    assert shown == {"plain.txt": True, "large.txt": False}


def test_a_folder_of_exports_that_is_a_link_gives_nothing_out(storage: Storage, tmp_path: Path) -> None:
    (storage.folder / "exports").rename(tmp_path / "elsewhere")
    (storage.folder / "exports").symlink_to(tmp_path / "elsewhere")
    assert exported_text(storage, "plain.txt") is None


def test_names_of_files_are_shown_as_text(copied: Path, visitor: Visitor) -> None:
    exports = read_study_file(copied).storage.folder / "exports"
    exports.mkdir()
    (exports / "<script>alert(1)<&.txt").write_text("x")
    text = visitor(copied).get(EXPORTS).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
