"""Pages of a small study that was run, asked without a network."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from studies.pages.guard import Guard
from studies.pages.library import Library
from studies.pages.site import site
from studies.store.access import Access
from tests.studies.pages.made_gallery import write_gallery

TOKEN = "the-token-of-the-tests"
ADDRESS = "http://127.0.0.1:8090"
Visitor = Callable[..., TestClient]


@pytest.fixture
def visitor() -> Generator[Visitor]:
    """Open the pages of study files: `visitor(file, writes=True)`; one that may write has the token's cookie."""
    opened: list[TestClient] = []

    def open_pages(*places: Path, writes: bool = False, private: bool = False) -> TestClient:
        library = Library(places)
        access = Access(token=TOKEN, names=frozenset({"localhost"}), cookie="recipe-search-8090", private=private)
        app = Guard(site(library, access), access)
        client = TestClient(app, base_url=ADDRESS, follow_redirects=False)
        if writes:
            client.cookies.set("recipe-search-8090", TOKEN)
        opened.append(client.__enter__())
        return client

    yield open_pages
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a study with 70 made-up trials (`tests.studies.pages.made_gallery`); leave it as it is."""
    return write_gallery(tmp_path_factory.mktemp("gallery"), 70)
