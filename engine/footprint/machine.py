"""How much memory this machine has: of a GPU, and main memory within the limits of a process and a container."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from engine.errors import first_line, names_any

if TYPE_CHECKING:
    import torch

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows the limits of containers and services."""
MEMBERSHIP = Path("/proc/self/cgroup")
"""Where Linux says to which of them this process belongs."""


_NO_MEMORY = ("DefaultCPUAllocator", "unable to mmap")
"""Parts of what torch says where main memory runs out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LimitFiles:
    """The names of a control group's files; those of version 2 and of version 1 differ."""

    limit: str
    used: str
    inactive: str
    """The line of ``memory.stat`` that counts file pages which are given up as soon as somebody needs memory."""


_VERSION_2 = _LimitFiles(limit="memory.max", used="memory.current", inactive="inactive_file")
_VERSION_1 = _LimitFiles(
    limit="memory.limit_in_bytes", used="memory.usage_in_bytes", inactive="total_inactive_file"
)  # fmt: skip


@contextmanager
def main_memory_errors() -> Generator[None]:
    """Raise MemoryError where torch has too little main memory, for which it has no kind of error of its own."""
    try:
        yield
    except RuntimeError as error:
        if names_any(error, _NO_MEMORY):
            raise MemoryError(first_line(error)) from error.with_traceback(None)  # whose frames would hold memory
        raise


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_ram()


def total_memory(device: torch.device) -> int:
    """Return the bytes that a device has, used or free."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return total_ram()


def available_ram() -> int:
    """Return the bytes of main memory that a new process can have, without swapping and within its container."""
    free = (limit - used for limit, used in ram_limits())
    return max(0, min((int(psutil.virtual_memory().available), *free)))


def total_ram() -> int:
    """Return the bytes of main memory, used or free, that this process's container may have."""
    return min((int(psutil.virtual_memory().total), *(limit for limit, _ in ram_limits())))


def ram_limits(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Iterator[tuple[int, int]]:
    """Yield the limits of this process and of the control groups that it is in, and what is in use of each, in bytes.

    Args:
        cgroups: Where control groups are shown.
        membership: The file that says which ones are this process's; where it cannot be read, none is.
    """
    yield from _process_limit()
    for folder, files in _groups(cgroups, _lines(membership)):
        limit, used = _number(folder / files.limit), _number(folder / files.used)
        if limit is not None and used is not None:
            stat = _counts(folder / "memory.stat")
            yield limit, max(0, used - stat.get(files.inactive, 0))


def _process_limit() -> Iterator[tuple[int, int]]:
    """The limit of addresses, as ``ulimit -v`` sets it: whatever is allocated takes some, and a mapped file, too."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        yield limit, int(psutil.Process().memory_info().vms)


def _groups(cgroups: Path, lines: list[str]) -> Iterator[tuple[Path, _LimitFiles]]:
    """The folders of this process's control groups, with those around them, whose limits count too."""
    for line in lines:
        _, kinds, path = (*line.split(":", 2), "", "")[:3]
        if "memory" in kinds.split(","):
            root, files = cgroups / "memory", _VERSION_1
        elif not kinds:
            root, files = cgroups, _VERSION_2
        else:
            continue
        own = Path(path.strip("/"))
        for part in (own, *own.parents):
            yield root / part, files


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, such as for no limit."""
    words = _lines(path)
    return int(words[0]) if words and words[0].isdecimal() else None


def _counts(path: Path) -> Mapping[str, int]:
    pairs = (line.split() for line in _lines(path))
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
