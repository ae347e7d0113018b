"""The name of who sits at the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from studies.store.judged.person import user_name

CODE = "import os; os.setuid(54321); from studies.store.judged.person import user_name; print(user_name())"


def test_it_is_the_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mika")
    assert user_name() == "mika"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root may become a user without a name")
def test_a_user_without_a_name_has_a_number() -> None:
    bare = {name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    code = "import studies.store.judged.person\n" + CODE
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "user 54321"
