from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from studies.preflight.doctor import Fact, examine, is_healthy
from studies.preflight.name_clash import HOME, PACKAGES, NameClashError, check_names, origins, strangers


def test_our_packages_lie_side_by_side() -> None:
    assert origins() == {name: HOME / name for name in PACKAGES}
    check_names()


@pytest.mark.parametrize("stranger", ["engine/__init__.py", "engine.py", "engine/part.py"])
def test_a_stranger_with_our_name_stops_every_command(tmp_path: Path, stranger: str) -> None:
    (tmp_path / stranger).parent.mkdir(exist_ok=True)
    (tmp_path / stranger).touch()
    path = (
        [str(tmp_path), str(HOME)] if stranger != "engine/part.py" else [str(tmp_path), str(_without_engine(tmp_path))]
    )
    code = f"import sys; sys.path[:0] = {path!r}; from studies.preflight import name_clash; name_clash.check_names()"
    done = subprocess.run([sys.executable, "-P", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"engine: {tmp_path / 'engine'}" in done.stderr
    assert "an environment of its own" in done.stderr


def _without_engine(folder: Path) -> Path:
    """A house without engine: a folder without `__init__.py` only wins when there is no real package."""
    home = folder / "home"
    home.mkdir()
    (home / "studies").mkdir()
    for path in ("__init__.py", "preflight/__init__.py", "preflight/name_clash.py"):
        (home / "studies" / path).parent.mkdir(exist_ok=True)
        (home / "studies" / path).write_text((HOME / "studies" / path).read_text())
    for name in ("scorers", "search"):
        (home / name).mkdir()
        (home / name / "__init__.py").touch()
    return home


def test_missing_package_is_a_stranger() -> None:
    found = origins() | {"search": None}
    assert strangers(found) == {"search": None}


def test_guard_names_every_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.preflight.name_clash.HOME", Path("elsewhere"))
    with pytest.raises(NameClashError) as caught:
        check_names()
    assert all(str(HOME / name) in str(caught.value) for name in PACKAGES)


def test_doctor_reports_what_matters(tmp_path: Path) -> None:
    facts = {fact.name: fact for fact in examine(tmp_path)}
    assert facts["package engine"].value == str(HOME / "engine")
    assert {"Python", "torch", "optuna", "threads", "disk", "optuna-dashboard", "sd-recipe-search"} <= set(facts)
    assert str(tmp_path) in facts["disk"].value
    assert is_healthy(tuple(facts.values()))


def test_another_owner_of_our_name_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "studies.preflight.doctor.packages_distributions", lambda: {"engine": ["sd_recipe_search", "other-engine"]}
    )
    facts = {fact.name: fact for fact in examine()}
    assert facts["package engine"].state == "bad"
    assert "other-engine" in facts["package engine"].line
    assert facts["package search"].state == "ok"
    assert not is_healthy(tuple(facts.values()))


def test_lines_mark_what_is_to_be_done() -> None:
    assert Fact(name="x", value="1").line == "  x: 1"
    assert Fact(name="x", value="1", state="bad", remedy="mend it").line == "! x: 1; mend it"
