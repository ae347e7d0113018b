"""What no file of the repository may hold: paths of one machine, addresses of package registries, lock files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BINARY = frozenset({".safetensors", ".png", ".jpg", ".jpeg", ".webp", ".gz", ".ttf", ".db"})
LOCKS = frozenset({"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "package-lock.json", "requirements.lock"})

# Written in pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of one machine": re.compile(
        rf"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/|{re.escape(str(ROOT))}(?![\w-])|(?<![\w./]){'/' + 'tmp'}/"
    ),
    "a package registry": re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs"])),
    "an option that names a registry": re.compile("index" + "[-_]url|extra" + "-index|--" + "registry|find" + "-links"),
}


def repository_files() -> list[Path]:
    """Files that git tracks, or would with the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def offences(text: str) -> list[str]:
    """What a text holds that it must not: a reason and the words, for each."""
    return [f"{reason}: {match[0]}" for reason, pattern in FORBIDDEN.items() for match in pattern.finditer(text)]


def test_no_machine_paths_or_registries() -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in repository_files()
        if path.suffix not in BINARY and (wrong := offences(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_no_lock_files() -> None:
    assert [path.name for path in repository_files() if path.name in LOCKS] == []


@pytest.mark.parametrize(
    "text",
    [
        f"see {ROOT}/engine",
        "/" + "root/.cache/x",
        "in /" + "tmp/x",
        "https://files." + "python" + "hosted.org",
        "pip install --" + "index" + "-url x",
    ],
)
def test_the_check_can_fail(text: str) -> None:
    assert offences(text)


def test_harmless_text_passes() -> None:
    assert offences("runs/my-mix, homework/x, tmp_path / 'a', http://www.apache.org/licenses/, pip install -e .") == []
