"""The server itself: listening, many connections, and a night that it does not disturb."""

from __future__ import annotations

import contextlib
import html
import http.client
import re
import resource
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from studies.errors import StudyError
from studies.pages.events import MOST_PAGES
from studies.pages.library import Library
from studies.pages.server import PageServer
from studies.studyfile.read import read_study_file

CONNECTIONS = 1000


@contextmanager
def served(*places: Path) -> Generator[PageServer]:
    server = PageServer(Library(places), port=0)
    thread = server.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def asked(server: PageServer, address: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_printed_address_opens_the_pages(copied: Path) -> None:
    with served(copied) as server:
        assert server.address.startswith(f"http://127.0.0.1:{server.port}/?token=")
        status, _ = asked(server, server.address.partition(str(server.port))[2])
        assert status == 303
        assert asked(server, "/s/small")[0] == 200


def test_of_several_studies_only_what_the_list_shows_is_read_ahead(copied: Path, gallery: Path) -> None:
    with served(copied, gallery) as server:
        readers = server.library.studies().values()
        assert all(reader.glance().ended for reader in readers)
        assert [reader._snapshot for reader in readers] == [None, None]


def test_a_port_in_use_is_named(copied: Path) -> None:
    with served(copied) as server, pytest.raises(StudyError, match=f"--port {server.port}: is in use"):
        PageServer(Library([copied]), port=server.port)


def test_a_host_of_another_machine_is_named(copied: Path) -> None:
    with pytest.raises(StudyError, match="is no address of this machine"):
        PageServer(Library([copied]), host="192.0.2.1", port=0)


def test_a_thousand_open_connections_leave_a_server_that_answers(copied: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * CONNECTIONS:
        pytest.skip("this machine opens too few files at once")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3 * CONNECTIONS), hard))
    try:
        with served(copied) as server, contextlib.ExitStack() as opened:
            for _ in range(CONNECTIONS):
                one = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
                one.sendall(b"GET /s/small HT")  # and never the rest
            assert asked(server, "/s/small")[0] in (200, 503)
            opened.close()
            assert _answers_again(server)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _answers_again(server: PageServer) -> bool:
    for _ in range(50):
        if asked(server, "/s/small")[0] == 200:
            return True
        time.sleep(0.1)
    return False


def test_pages_that_wait_for_changes_are_told_and_limited(copied: Path) -> None:
    folder = read_study_file(copied).storage.folder
    with served(copied) as server, contextlib.ExitStack() as opened:
        watching = [opened.enter_context(_watching(server)) for _ in range(MOST_PAGES)]
        assert b"retry" in watching[0].readline()
        assert asked(server, "/s/small/events")[0] == 503
        time.sleep(1.5)
        (folder / "outcome.json").touch()
        lines = [watching[0].readline() for _ in range(4)]
        assert b"event: changed\n" in lines


def test_no_change_is_lost_to_a_page(copied: Path) -> None:
    """Neither before it waits, nor right after it was told of another, nor while its connection is broken."""
    outcome = read_study_file(copied).storage.folder / "outcome.json"
    with served(copied) as server:
        address = re.search(r'sse-connect="([^"]+)"', asked(server, "/s/small")[1].decode())
        assert address is not None
        outcome.touch()
        with _watching(server, html.unescape(address[1])) as page:
            first = _next_id(page)
            outcome.touch()
            second = _next_id(page)
        assert first != second
        outcome.touch()
        with _watching(server, html.unescape(address[1]), {"Last-Event-ID": second}) as page:
            assert _next_id(page) not in (first, second)


def _next_id(page: http.client.HTTPResponse) -> str:
    while not (line := page.readline()).startswith(b"id: "):
        assert line
    return line.decode()[4:].strip()


@contextmanager
def _watching(
    server: PageServer, address: str = "/s/small/events", headers: Mapping[str, str] = MappingProxyType({})
) -> Generator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", address, headers=dict(headers))
    answer = connection.getresponse()
    assert answer.status == 200
    try:
        yield answer
    finally:
        connection.close()
