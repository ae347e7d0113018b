"""Commands let the threads of OpenMP sleep while they wait: torch, which reads this, is loaded later."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from click.testing import CliRunner
from studies.cli.main import main
CliRunner().invoke(main, ["doctor", "--help"])
print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""


@pytest.mark.parametrize(("chosen", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_sleep_while_they_wait_unless_the_environment_says_more(chosen: dict[str, str], policy: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | chosen
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{policy} False\n", done.stderr
