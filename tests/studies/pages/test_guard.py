"""Who may ask the pages, and who may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.pages.context import LONGEST_FORM
from studies.pages.site import WRITE
from tests.studies.pages.conftest import ADDRESS, TOKEN, Visitor


def test_reading_needs_no_token_on_this_machine_and_writing_does(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    assert client.get("/s/small").status_code == 200
    answer = client.post("/s/small/ask", data={"what": "stop"})
    assert answer.status_code == 403
    assert "token" in answer.text


def test_reading_needs_the_token_where_other_machines_reach_the_server(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, private=True)
    for address in ("/", "/s/small", "/s/small/pictures/t0.160.webp", "/static/pages.css", "/s/small/events"):
        assert client.get(address).status_code == 403, address
    assert client.get(f"/?token={TOKEN}").status_code == 303
    assert client.get("/s/small").status_code == 200


def test_the_token_of_the_address_becomes_a_cookie_and_leaves_the_address(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    answer = client.get(f"/s/small?lang=ja&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/s/small?lang=ja"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Pause" not in visitor(copied).get("/s/small").text
    assert client.post("/s/small/ask", data={"what": "stop"}).status_code != 403


def test_a_wrong_token_opens_nothing(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    assert "set-cookie" not in client.get("/s/small?token=guessed").headers
    client.cookies.set("recipe-search-8090", "guessed")
    assert client.post("/s/small/ask", data={"what": "stop"}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8090", "", "[::1"])
def test_a_forged_host_is_refused(copied: Path, visitor: Visitor, host: str) -> None:
    client = visitor(copied, writes=True)
    assert client.get("/s/small", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("address", sorted(WRITE))
@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:9999", "null", "http://["])
def test_a_page_of_another_server_writes_nothing(copied: Path, visitor: Visitor, address: str, origin: str) -> None:
    client = visitor(copied, writes=True)
    answer = client.post(address.replace("{study}", "small"), headers={"Origin": origin}, data={"what": "stop"})
    assert answer.status_code == 403


@pytest.mark.parametrize("address", sorted(WRITE))
def test_nothing_is_written_without_the_token(copied: Path, visitor: Visitor, address: str) -> None:
    assert visitor(copied).post(address.replace("{study}", "small"), headers={"Origin": ADDRESS}).status_code == 403


def test_every_answer_forbids_what_is_not_ours(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    for address in ("/s/small", "/s/nobody", "/static/pages.css", "/s/small/pictures/t0.160.webp"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin", "forms of ours must say that they are"


def test_scripts_and_styles_are_sent_once_and_pages_are_never_kept(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    style = client.get("/static/pages.css")
    assert style.headers["cache-control"] == "no-cache"
    assert client.get("/static/pages.css", headers={"If-None-Match": style.headers["etag"]}).status_code == 304
    assert client.get("/s/small").headers["cache-control"] == "no-store"


def test_a_form_that_is_too_long_is_refused(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied, writes=True)
    answer = client.post("/s/small/ask", data={"what": "stop", "note": "x" * LONGEST_FORM})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "address", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/s/small/pictures/..%2ft0.160.webp"]
)
def test_no_path_leads_out(copied: Path, visitor: Visitor, address: str) -> None:
    assert visitor(copied).get(address).status_code == 404
