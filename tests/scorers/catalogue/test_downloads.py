"""Downloads from a real server: whole and right, or not there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorers.catalogue.downloads import download
from scorers.catalogue.published import PublishedFile
from scorers.errors import ScorerError
from tests.scorers.local_server import serving

CONTENT = bytes(range(256)) * 12_000  # three parts
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "head.pth").write_bytes(CONTENT)
    with serving(folder) as found:
        yield found


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
    ids=["hash", "digits", "gone", "cut"],
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


def test_no_server_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"cannot be fetched .*fetch it by hand into"):
        download(published("http://127.0.0.1:9/head.pth"), tmp_path)
    with pytest.raises(ScorerError, match="not a web address"):
        download(published(f"file://{tmp_path}/x"), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ScorerError, match="cannot be written"):
        download(published("http://127.0.0.1:9/head.pth"), tmp_path / "file")
