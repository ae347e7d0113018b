"""Downloads from a real server: whole and right, or not there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorers.catalogue.downloads import download
from scorers.catalogue.published import PublishedFile
from scorers.errors import ScorerError
from tests.scorers.local_server import Server, serving

CONTENT = bytes(range(256)) * 12_000  # three parts
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "head.pth").write_bytes(CONTENT)
    with serving(folder) as found:
        yield found


@pytest.fixture
def address(server: Server) -> str:
    server.asked.clear()
    return server.address


def published(source: str, sha256: str = SHA256) -> PublishedFile:
    return PublishedFile(name="repository/head.pth", source=source, licence="MIT", sha256=sha256)


def everything(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["head.pth", "moved/head.pth"])
@pytest.mark.parametrize("sha256", [SHA256, SHA256[:8], ""], ids=["full", "digits", "none"])
def test_a_file_arrives_whole_under_its_name(address: str, tmp_path: Path, path: str, sha256: str) -> None:
    told: list[tuple[int, int]] = []
    found = download(published(f"{address}/{path}", sha256), tmp_path, lambda *at: told.append(at))
    assert found == SHA256
    assert everything(tmp_path) == [tmp_path / "repository" / "head.pth"]
    assert (tmp_path / "repository" / "head.pth").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) == 3


@pytest.mark.parametrize(
    ("path", "sha256", "message"),
    [
        ("head.pth", "0" * 64, f"came with SHA-256 {SHA256}, not {'0' * 64}"),
        ("head.pth", "0" * 8, f"came with SHA-256 {SHA256}, not 00000000"),
        ("gone.pth", SHA256, "the server says 404"),
        ("cut/head.pth", "", f"{len(CONTENT) // 2} of {len(CONTENT)} bytes came; try again"),
    ],
    ids=["hash", "digits", "gone", "cut, of no known hash"],
)
def test_what_goes_wrong_leaves_nothing_behind(
    address: str, tmp_path: Path, path: str, sha256: str, message: str
) -> None:
    kept = tmp_path / "repository" / "head.pth"
    kept.parent.mkdir()
    kept.write_bytes(b"from before")
    with pytest.raises(ScorerError) as caught:
        download(published(f"{address}/{path}", sha256), tmp_path)
    assert message in str(caught.value)
    assert everything(tmp_path) == [kept]
    assert kept.read_bytes() == b"from before"


def test_what_was_cut_short_is_gone_on_with(server: Server, address: str, tmp_path: Path) -> None:
    file, told = published(f"{address}/moved/halves/head.pth"), list[tuple[int, int]]()
    half = len(CONTENT) // 2
    with pytest.raises(ScorerError, match=f"{half} of {len(CONTENT)} bytes came; ask for it again to go on from there"):
        download(file, tmp_path)
    assert [path.stat().st_size for path in everything(tmp_path)] == [half]
    assert download(file, tmp_path, lambda *at: told.append(at)) == SHA256
    ranges = [headers.get("Range") for path, headers in server.asked if path == "/halves/head.pth"]
    assert ranges == [None, f"bytes={half}-"]
    assert (told[0][0] > half, told[-1]) == (True, (len(CONTENT), len(CONTENT)))
    assert everything(tmp_path) == [tmp_path / "repository" / "head.pth"]
    assert (tmp_path / "repository" / "head.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "left"),
    [("head.pth", 100), ("head.pth", len(CONTENT)), ("halves/head.pth", 2_000_000), ("halves/head.pth", len(CONTENT))],
    ids=["whole files only", "whole files only, all left", "the rest", "nothing more"],
)
def test_whatever_the_server_sends_is_put_together(address: str, tmp_path: Path, path: str, left: int) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / ".head.pth.part").write_bytes(CONTENT[:left])
    assert download(published(f"{address}/{path}"), tmp_path) == SHA256
    assert everything(tmp_path) == [folder / "head.pth"]
    assert (folder / "head.pth").read_bytes() == CONTENT


def test_what_is_left_is_no_part_of_a_file_whose_hash_is_not_known(
    server: Server, address: str, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / ".head.pth.part").write_bytes(bytes(100))
    assert download(published(f"{address}/head.pth", ""), tmp_path) == SHA256
    assert [headers.get("Range") for _, headers in server.asked] == [None]
    assert (folder / "head.pth").read_bytes() == CONTENT
    assert (folder / ".head.pth.part").read_bytes() == bytes(100)


def test_what_was_left_of_another_file_is_thrown_away(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / ".head.pth.part").write_bytes(bytes(len(CONTENT) - 10))
    with pytest.raises(ScorerError, match="another file than is known here, and was thrown away"):
        download(published(f"{address}/halves/head.pth"), tmp_path)
    assert everything(tmp_path) == []


def test_a_token_goes_to_the_hub_alone(
    server: Server, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to where the hub sends for the file, nor to anybody else."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    download(published(f"{address}/moved/head.pth"), tmp_path)
    monkeypatch.setattr("scorers.catalogue.downloads.HUB", address)
    download(published(f"{address}/moved/head.pth"), tmp_path)
    sent = [(path, headers.get("Authorization")) for path, headers in server.asked]
    assert sent == [
        ("/moved/head.pth", None),
        ("/head.pth", None),
        ("/moved/head.pth", "Bearer secret"),
        ("/head.pth", None),
    ]


def test_proxies_are_those_of_the_environment(
    server: Server, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.setattr("urllib.request._opener", None)  # it remembers the proxies of before
    with pytest.raises(ScorerError, match="the server says 404"):
        download(published("http://files.example/head.pth"), tmp_path)
    assert [path for path, _ in server.asked] == ["http://files.example/head.pth"]


def test_no_server_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"cannot be fetched .*fetch it by hand into"):
        download(published("http://127.0.0.1:9/head.pth"), tmp_path)
    (tmp_path / "repository" / ".head.pth.part").touch()
    with pytest.raises(ScorerError, match=r"\); fetch it by hand into"):
        download(published("http://127.0.0.1:9/head.pth", ""), tmp_path)
    with pytest.raises(ScorerError, match="not a web address"):
        download(published(f"file://{tmp_path}/x"), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ScorerError, match="cannot be written"):
        download(published("http://127.0.0.1:9/head.pth"), tmp_path / "file")
