"""The dashboard, over HTTP: a trial's contact sheet is an artifact, its recipe and scores are its note."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.distributions import FloatDistribution
from optuna_dashboard import get_note, save_note

from engine.recipes.recipe import Recipe
from search.suggester import Proposal
from studies.drawing import sheets
from studies.errors import StudyError
from studies.store.dashboard.dashboard import write_note, write_study_note
from studies.store.dashboard.dashboard_server import DashboardServer, dashboard_server
from studies.store.storage import StudyStore
from tests.studies.read_only import read_only


def study_with_a_trial(folder: Path) -> StudyStore:
    store = StudyStore(folder, "one")
    trial = store.begin(Proposal(stage="flat", point={"OUT05": 0.35}), {"OUT05": FloatDistribution(0, 1)})
    trial.set_user_attr("recipe", Recipe.flat(0.35).text)
    trial.set_user_attr("scores", {"style": {"raw": -1.25, "scaled": 0.5, "standard_error": 0.1}})
    sheets.grid([np.full((32, 32, 3), 90, np.uint8)], folder / "sheet.webp")
    write_note(trial, store.attach(trial, folder / "sheet.webp"))
    store.study.tell(trial, 0.5)
    return store


@contextmanager
def served(store: StudyStore, host: str = "127.0.0.1") -> Generator[DashboardServer]:
    server = dashboard_server(store, host=host, port=0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return study_with_a_trial(tmp_path)


@pytest.fixture
def server(store: StudyStore) -> Generator[DashboardServer]:
    with served(store) as running:
        yield running


def asked(
    server: DashboardServer, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers of the answer; redirections are not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


def cookie_of(server: DashboardServer) -> str:
    _, _, headers = asked(server, f"{server.page}?token={server.token}")
    return headers["Set-Cookie"].partition(";")[0]


def note_of(server: DashboardServer) -> dict[str, object]:
    return json.loads(asked(server, "/api/studies/0")[1])["trials"][0]["note"]


def test_the_dashboard_shows_every_trials_sheet_recipe_and_scores(server: DashboardServer, tmp_path: Path) -> None:
    (trial,) = json.loads(asked(server, "/api/studies/0")[1])["trials"]
    assert "0.35" in trial["note"]["body"]
    assert "| style | -1.2500 | +0.50 |" in trial["note"]["body"]
    (artifact,) = trial["artifacts"]
    assert artifact["mimetype"] == "image/webp"
    link = trial["note"]["body"].split("![contact sheet](")[1].split(")")[0]
    assert artifact["artifact_id"] in link
    status, picture, headers = asked(server, link)
    assert (status, picture) == (200, (tmp_path / "sheet.webp").read_bytes())
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "Access-Control-Allow-Origin" not in headers


def test_artifacts_end_as_what_they_are_and_those_of_before_are_found(
    store: StudyStore, server: DashboardServer
) -> None:
    (path,) = (store.folder / "artifacts").iterdir()
    assert path.suffix == ".webp"
    kept = path.read_bytes()
    path.rename(path.with_suffix(""))
    link = str(note_of(server)["body"]).split("![contact sheet](")[1].split(")")[0]
    assert asked(server, link)[:2] == (200, kept)
    store.artifacts.write("ab", BytesIO(b"neither"))
    with store.artifacts.open_reader("ab") as kept_file:
        assert kept_file.read() == b"neither"
    store.artifacts.remove("ab")
    with pytest.raises(ArtifactNotFound):
        store.artifacts.open_reader("../journal.log")


def test_trials_have_names(store: StudyStore, server: DashboardServer) -> None:
    bounds = {"OUT05": FloatDistribution(0, 1)}
    for label in ("FLAT_50", ""):
        store.begin(Proposal(stage="flat", point={"OUT05": 0.5}, label=label), bounds)
    names = [trial.user_attrs["name"] for trial in store.study.get_trials()]
    assert names == ["flat 1", "FLAT_50", "flat 3"]
    assert str(note_of(server)["body"]).startswith("**flat 1**, stage flat")
    store.interrupt("")
    owed = store.owed()
    assert owed is not None
    assert owed.label == "FLAT_50"


def test_a_person_s_words_stay_below_ours(store: StudyStore) -> None:
    save_note(store.study, "mine")
    write_study_note(store, "ours")
    assert get_note(store.study).endswith("\n---\nmine")
    save_note(store.study, f"{get_note(store.study)}, and more\n---\nof mine")
    write_study_note(store, "newer")
    text = get_note(store.study)
    assert text.startswith("# What the search says\n\nnewer\n")
    assert text.endswith("\n---\nmine, and more\n---\nof mine")
    journal = (store.folder / "journal.log").read_bytes()
    write_study_note(store, "newer")
    assert (store.folder / "journal.log").read_bytes() == journal


def test_the_pages_and_scripts_of_the_dashboard_come_through(server: DashboardServer) -> None:
    for path in ("/dashboard/studies/0", "/static/bundle.js", "/csv/0", "/favicon.ico"):
        assert asked(server, path)[0] == 200, path
    assert asked(server, "/")[0] == 302


FORGED = {"Host": "evil.example", "Origin": "https://evil.example"}
DESTRUCTIVE = [
    ("DELETE", "/api/studies/0", None),
    ("DELETE", "/api/studies/0/", None),
    ("POST", "/api/studies", {"study_name": "x", "directions": [1]}),
    ("POST", "/api/studies/0/rename", {"study_name": "x"}),
    ("POST", "/api/trials/0/tell", {"state": "Fail"}),
    ("POST", "/api/trials/0/user-attrs", {"user_attrs": {"recipe": "x"}}),
    ("POST", "/api/artifacts/0", {"file": "data:text/html;base64,eA==", "filename": "x.html"}),
    ("DELETE", "/api/artifacts/0/0/{artifact}", None),
    ("delete", "/api/studies/0", None),
]


@pytest.mark.parametrize(
    "headers", [FORGED, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil"}, {}]
)
def test_nothing_is_deleted_for_pages_of_others_or_without_the_token(
    store: StudyStore, server: DashboardServer, headers: dict[str, str]
) -> None:
    assert asked(server, "/api/studies/0", "DELETE", **headers)[0] == 403
    assert len(StudyStore(store.folder, "one").trials()) == 1


@pytest.mark.parametrize(("method", "path", "body"), DESTRUCTIVE)
def test_studies_trials_and_pictures_are_not_changed_even_with_the_token(
    store: StudyStore, server: DashboardServer, method: str, path: str, body: object
) -> None:
    (artifact,) = [path.stem for path in (store.folder / "artifacts").iterdir()]
    journal = (store.folder / "journal.log").read_bytes()
    status, answer, _ = asked(server, path.replace("{artifact}", artifact), method, body, Cookie=cookie_of(server))
    assert status == 403
    assert "only notes are written here" in json.loads(answer)["reason"]
    assert (store.folder / "journal.log").read_bytes() == journal
    assert [path.stem for path in (store.folder / "artifacts").iterdir()] == [artifact]


@pytest.mark.parametrize("headers", [FORGED, {"Host": "evil.example:8080"}, {"Origin": "https://evil.example"}])
def test_pages_of_others_do_not_read_either(server: DashboardServer, headers: dict[str, str]) -> None:
    status, answer, _ = asked(server, "/api/studies/0", **headers)
    assert status == 403
    assert b"0.35" not in answer


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:9000", "LOCALHOST"])
def test_the_names_of_this_machine_are_known_on_any_port(server: DashboardServer, host: str) -> None:
    """A tunnel has a port of its own."""
    assert asked(server, "/api/studies/0", Host=host, Origin=f"http://{host}")[0] == 200


def test_the_printed_address_keeps_the_token_in_a_cookie_of_this_server_alone(server: DashboardServer) -> None:
    assert server.address == f"http://127.0.0.1:{server.server_port}/dashboard/studies/0?token={server.token}"
    status, _, headers = asked(server, f"/dashboard/studies/0?token={server.token}&x=1")
    assert (status, headers["Location"]) == (303, "/dashboard/studies/0?x=1")
    name, _, rest = headers["Set-Cookie"].partition("=")
    assert name == f"recipe-search-{server.server_port}"
    assert rest == f"{server.token}; HttpOnly; SameSite=Strict; Path=/"
    assert "Set-Cookie" not in asked(server, "/dashboard/studies/0?token=guessed")[2]


@pytest.mark.parametrize("path", ["/api/studies/0/0/note", "/api/studies/0/note"])
def test_notes_are_written_with_the_token_and_not_without(
    store: StudyStore, server: DashboardServer, path: str
) -> None:
    own = f"http://127.0.0.1:{server.server_port}"
    body = {"version": 2 if "0/0" in path else 1, "body": "the one that I like"}
    assert asked(server, path, "PUT", body, Origin=own)[0] == 403
    assert asked(server, path, "PUT", body, Origin=own, Cookie=f"recipe-search-{server.server_port}=no")[0] == 403
    assert asked(server, path, "PUT", body, Origin="http://localhost:1", Cookie=cookie_of(server))[0] == 403
    before = (store.folder / "journal.log").read_bytes()
    assert asked(server, path, "PUT", body, Origin=own, Cookie=cookie_of(server))[0] == 204
    written = json.loads(asked(server, "/api/studies/0")[1])
    assert (written["trials"][0] if "0/0" in path else written)["note"]["body"] == "the one that I like"
    assert (store.folder / "journal.log").read_bytes() != before


def test_where_other_machines_reach_it_reading_needs_the_token_too(store: StudyStore) -> None:
    with served(store, "0.0.0.0") as server:  # noqa: S104 - what is tested
        assert asked(server, "/api/studies/0")[0] == 403
        assert asked(server, "/api/studies/0", Host="192.168.0.7:8080", Cookie=cookie_of(server))[0] == 200
        assert asked(server, "/api/studies/0", Host="evil.example", Cookie=cookie_of(server))[0] == 403


def test_a_port_in_use_is_said_in_one_sentence(store: StudyStore, server: DashboardServer) -> None:
    with pytest.raises(StudyError) as refusal:
        dashboard_server(store, host="127.0.0.1", port=server.server_port)
    assert str(refusal.value) == f"--port {server.server_port}: is in use; name another one, such as --port 8081"


def test_a_host_that_this_machine_is_not_is_said(store: StudyStore) -> None:
    with pytest.raises(StudyError, match=r"--host 192\.0\.2\.1: is no address of this machine; use 127\.0\.0\.1"):
        dashboard_server(store, host="192.0.2.1", port=0)


def test_a_study_that_cannot_be_written_is_shown_and_keeps_no_note(store: StudyStore) -> None:
    with read_only(store.folder), served(StudyStore(store.folder, "one")) as server:
        assert "0.35" in str(note_of(server)["body"])
        status, answer, _ = asked(
            server, "/api/studies/0/0/note", "PUT", {"version": 2, "body": ""}, Cookie=cookie_of(server)
        )
        assert status == 403
        assert "cannot be written, so no note can be kept" in json.loads(answer)["reason"]
