"""Pause, resume and stop of a study in a database reach its workers from any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from studies.errors import StudyError
from studies.store.backends.of_study import backend_of
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage
from tests.studies.machines.servers import DatabaseServer


def machine(folder: Path, database: DatabaseServer, name: str) -> Storage:
    """A study as one machine has it."""
    folder.mkdir()
    place = str(folder.parent / "artifacts")
    return Storage(file=folder / "study.toml", name=name, folder=folder, url=database.url(), artifacts=place)


def test_what_one_machine_asks_another_hears_with_one_statement(database: DatabaseServer, tmp_path: Path) -> None:
    name, statements = f"asked-{tmp_path.name}", list[str]()
    first, second = (backend_of(machine(tmp_path / place, database, name)) for place in ("a", "b"))
    assert first.requests.asked() == frozenset()
    with pytest.raises(StudyError, match="its first night is just beginning; ask again in a minute"):
        first.requests.ask("pause")
    store = StudyStore(tmp_path / "a", name, backend=first)
    StudyStore(tmp_path / "other", f"{name}-2", backend=backend_of(machine(tmp_path / "other", database, f"{name}-2")))
    before = second.mark()
    first.requests.ask("pause")
    first.requests.ask("stop")
    store.successor().seal()
    assert second.requests.asked() == {"pause", "stop"}
    assert second.mark() != before, "pages see that something has changed"
    assert backend_of(machine(tmp_path / "c", database, f"{name}-2")).requests.asked() == frozenset()

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    second.requests.withdraw("pause")
    event.listen(Engine, "before_cursor_execute", count)
    try:
        assert first.requests.asked() == {"stop"}
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(statements) == 1
    assert not list(tmp_path.rglob("*-asked"))
