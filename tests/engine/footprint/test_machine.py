"""Main memory within the limits of containers, of both versions of Linux' control groups."""

from __future__ import annotations

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
