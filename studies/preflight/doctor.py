"""`recipe-search doctor`: facts about an installation, for when something does not work."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from engine.footprint.machine import available_ram
from studies.amounts import size_text
from studies.errors import StudyError
from studies.preflight.name_clash import HOME, PACKAGES, origins, strangers

DISTRIBUTION = "sd-recipe-search"
LIBRARIES = (
    "torch",
    "diffusers",
    "transformers",
    "open-clip-torch",
    "optuna",
    "optuna-dashboard",
    "safetensors",
    "numpy",
    "pandas",
    "pillow",
    "pydantic",
    "click",
    "rich",
)
LITTLE_DISK = 10_000_000_000
"""Free bytes below which a night with full-size checkpoints may run out of disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of the report."""

    name: str
    value: str
    state: Literal["ok", "warn", "bad"] = "ok"
    remedy: str = ""

    @property
    def line(self) -> str:
        """One line for people, with a mark where something is to be done."""
        mark = {"ok": "  ", "warn": "? ", "bad": "! "}[self.state]
        return f"{mark}{self.name}: {self.value}" + (f"; {self.remedy}" if self.remedy else "")


def examine(folder: Path | None = None) -> tuple[Fact, ...]:
    """Report versions, device, threads, memory, disk, our four packages.

    Args:
        folder: whose disk is meant; by default the current one.

    Raises:
        StudyError: there is no such folder.
    """
    place = folder or Path.cwd()
    if not place.exists():
        raise StudyError("there is no such folder", place=(place,), remedy="name another one, or none for this one")
    return (*_interpreter(), *_packages(), *_libraries(), *_device(), *_machine(place))


def is_healthy(facts: tuple[Fact, ...]) -> bool:
    """Whether nothing is bad."""
    return all(fact.state != "bad" for fact in facts)


def _interpreter() -> Iterator[Fact]:
    yield Fact(name="system", value=f"{platform.system()} {platform.release()}, {platform.machine()}")
    old = sys.version_info < (3, 11)
    yield Fact(
        name="Python",
        value=f"{platform.python_version()} in {sys.prefix}",
        state="bad" if old else "ok",
        remedy="use Python 3.11 or newer" if old else "",
    )
    shared = sys.prefix == sys.base_prefix
    if shared:
        remedy = "install into an environment of its own: its packages have everyday names"
        yield Fact(name="environment", value="shared with other programs", state="warn", remedy=remedy)


def _packages() -> Iterator[Fact]:
    """Our four packages: where they come from, and which distributions claim their names."""
    owners = packages_distributions()
    found = origins()
    others = strangers(found)
    for name in PACKAGES:
        claims = sorted({owner for owner in owners.get(name, []) if _same(owner) != _same(DISTRIBUTION)})
        value = f"{found[name] or 'not found'}"
        if name in others:
            remedy = f"it belongs beside {HOME}; install recipe-search into an environment of its own"
            yield Fact(name=f"package {name}", value=value, state="bad", remedy=remedy)
        elif claims:
            remedy = f"{', '.join(claims)} ships a package of this name too; separate the environments"
            yield Fact(name=f"package {name}", value=value, state="bad", remedy=remedy)
        else:
            yield Fact(name=f"package {name}", value=value)


def _same(name: str) -> str:
    return name.lower().replace("_", "-")


def _libraries() -> Iterator[Fact]:
    for name in (DISTRIBUTION, *LIBRARIES):
        try:
            yield Fact(name=name, value=version(name))
        except PackageNotFoundError:
            if name == DISTRIBUTION:
                yield Fact(
                    name=name, value="runs from the source folder", state="warn", remedy="pip install --editable ."
                )
            else:
                remedy = f"install recipe-search again, or pip install {name}"
                yield Fact(name=name, value="not installed", state="bad", remedy=remedy)


def _device() -> Iterator[Fact]:
    if find_spec("torch") is None:
        return
    import torch

    yield Fact(name="threads", value=f"torch uses {torch.get_num_threads()} of {os.cpu_count()} cores")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            value = f"{torch.cuda.get_device_name(index)}, {size_text(free)} of {size_text(total)} free"
            yield Fact(name=f"device cuda:{index}", value=value)
    else:
        remedy = "right for the demo; full-size checkpoints need a GPU"
        yield Fact(name="device", value="cpu only", state="warn", remedy=remedy)


def _machine(place: Path) -> Iterator[Fact]:
    yield Fact(name="memory", value=f"{size_text(available_ram())} free")
    free = shutil.disk_usage(place).free
    tight = free < LITTLE_DISK
    yield Fact(
        name="disk",
        value=f"{size_text(free)} free at {place}",
        state="warn" if tight else "ok",
        remedy="a night with full-size checkpoints needs more" if tight else "",
    )
    script = shutil.which("recipe-search")
    ours = Path(sysconfig.get_path("scripts"))
    if script is not None and Path(script).parent.resolve() != ours.resolve():
        remedy = "the command on your PATH belongs to another environment than this Python"
        yield Fact(name="command", value=script, state="warn", remedy=remedy)
