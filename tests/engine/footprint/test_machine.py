"""Main memory within the limits of containers, of both versions of Linux' control groups."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from engine.footprint import machine
from engine.footprint.machine import available_ram, free_memory, ram_limits, total_memory, total_ram

GB = 10**9


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def limits(folder: Path, lines: str) -> list[tuple[int, int]]:
    membership = folder / "membership"
    membership.write_text(lines)
    return list(ram_limits(folder, membership))


def test_a_container_of_version_2_counts_with_those_around_it(tmp_path: Path) -> None:
    group(tmp_path / "user" / "own", memory__max=4 * GB, memory__current=3 * GB, memory__stat="anon 5\ninactive_file 7")
    group(tmp_path / "user", memory__max="max", memory__current=9 * GB, memory__stat="")
    group(tmp_path, memory__max=6 * GB, memory__current=GB)
    assert limits(tmp_path, "0::/user/own\n") == [(4 * GB, 3 * GB - 7), (6 * GB, GB)]


def test_version_1_and_a_path_that_the_container_does_not_see(tmp_path: Path) -> None:
    files = {"memory__limit_in_bytes": 2 * GB, "memory__usage_in_bytes": GB, "memory__stat": "total_inactive_file 9"}
    group(tmp_path / "memory", **files)
    assert limits(tmp_path, "12:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n") == [(2 * GB, GB - 9)]


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert list(ram_limits(tmp_path, tmp_path / "missing")) == []
    assert limits(tmp_path, "a line that says nothing\n\n0::/\n") == []


def test_memory_is_what_the_narrowest_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def system(**sizes: int) -> None:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), sizes))

    system(available=8 * GB, total=16 * GB)
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(machine, "ram_limits", lambda: iter(found))
    assert (available_ram(), total_ram()) == (8 * GB, 16 * GB)
    found += [(6 * GB, 5 * GB), (32 * GB, 0)]
    assert (available_ram(), total_ram()) == (GB, 6 * GB)
    found.append((GB, 2 * GB))
    assert available_ram() == 0


def test_a_gpu_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def info(device: Any) -> tuple[int, int]:
        return 3 * GB, 8 * GB

    monkeypatch.setattr(torch.cuda, "mem_get_info", info)
    assert free_memory(torch.device("cuda:1")) == 3 * GB
    assert total_memory(torch.device("cuda:1")) == 8 * GB
    assert free_memory(torch.device("cpu")) <= total_memory(torch.device("cpu")) == total_ram()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits of addresses are kept by Linux")
def test_a_limit_of_addresses_counts_and_is_named_where_a_file_needs_more(tmp_path: Path) -> None:
    """As ``ulimit -v`` sets it."""
    file = tmp_path / "large.safetensors"
    head = b'{"a":{"dtype":"F16","shape":[1073741824],"data_offsets":[0,2147483648]}}'
    with file.open("wb") as out:  # a file with a hole, which takes no room on the disk
        out.write(len(head).to_bytes(8, "little") + head)
        out.truncate(8 + len(head) + (1 << 31))
    found = subprocess.run([sys.executable, "-c", LIMITED, file], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    free, total, error = found.stdout.splitlines()
    assert 0 < int(free) <= 1 << 30 < int(total)
    assert error == (
        f"{file}: cannot be opened, for this process may not have so much memory; "
        "raise its limit (ulimit -v), or that of the container"
    )


LIMITED = """
import resource, sys; from pathlib import Path
import psutil, torch
from engine.checkpoints.checkpoint import mapped; from engine.errors import CheckpointError
from engine.footprint.machine import available_ram, total_ram
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (1 << 30),) * 2)
print(available_ram())
print(total_ram())
try: mapped(Path(sys.argv[1]))
except CheckpointError as error: print(error)
"""
