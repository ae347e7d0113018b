"""Merges are the same bits with every instruction set that torch can use on this processor, and on others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.engine.merging.capabilities import available

DIGEST = "279d1ee234b99a009129ccd2c18191e41ffc851176901e6729412995f5dd3cc3"
"""What ``tests.engine.merging.merge_digest`` gives everywhere: another one means other merges with other hashes."""


@pytest.mark.parametrize("capability", available())
def test_merges_have_one_digest(capability: str) -> None:
    told = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    command = [sys.executable, "-m", "tests.engine.merging.merge_digest"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    (used, *_), *_ = found = [line.split() for line in done.stdout.splitlines()]
    assert used == capability or len(available()) == 1
    assert [line[1:] for line in found] == [["1", DIGEST], ["2", DIGEST]]
