"""Servers that tests start end with the process that started them, however that ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.studies.machines.servers import server_programs

DATABASE = """
import sys, time
from pathlib import Path
from tests.studies.machines.servers import database_server

with database_server(Path(sys.argv[1])) as server:
    print(server.port, server.folder, flush=True)
    time.sleep(600)
"""
BUCKET = """
import time
from tests.studies.machines.servers import bucket_server

with bucket_server("recipes") as environment:
    print(environment["AWS_ENDPOINT_URL"].rpartition(":")[2], flush=True)
    time.sleep(600)
"""


def killed(script: str, *arguments: str) -> list[str]:
    """Run a script until it says something, and kill it; returns what it said."""
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        os.kill(process.pid, signal.SIGKILL)
    assert said, "it has started"
    return said


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def is_gone(port: int, folder: Path | None = None, within_s: float = 60.0) -> bool:
    end = time.monotonic() + within_s
    while answers(port) or (folder is not None and folder.exists()):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.skipif(server_programs() is None, reason="PostgreSQL's server is not installed here")
def test_the_database_of_a_killed_test_ends() -> None:
    port, folder = killed(DATABASE, str(server_programs()))
    assert is_gone(int(port), Path(folder))


def test_the_object_storage_of_a_killed_test_ends() -> None:
    pytest.importorskip("moto")
    (port,) = killed(BUCKET)
    assert is_gone(int(port))
