"""The house in numbers, for CONTRIBUTING.md: ``python -m tests.benchmarks.house``.

Entries of the largest folder, arrows between the entries of each package, the README's size, and the modules that one
trial of a small study runs through.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "scorers", "search", "studies")
FILES = {name: sorted((ROOT / name).rglob("*.py")) for name in PACKAGES}
MEASURED = 15
"""The number of the proposal whose trial is measured: one of single blocks, past all calibration."""


def entries(folder: Path) -> int:
    """How many modules and sub-packages a folder has, `__init__.py` not counted."""
    inside = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    return len([path for path in inside if path.name != "__init__.py"])


def arrows(package: str) -> set[tuple[str, str]]:
    """Pairs of a package's entries, modules or sub-packages, of which the first imports from the second."""
    return {
        (path.relative_to(ROOT).with_suffix("").parts[1], name.split(".")[1])
        for path in FILES[package]
        for name in _imported(path)
        if name.startswith(f"{package}.")
        if path.relative_to(ROOT).with_suffix("").parts[1] not in {"__init__", name.split(".")[1]}
    }


def _imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports from the four packages, with the names taken."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def trial_modules() -> set[str]:
    """Modules of the four packages in which a function runs between one proposal and the next."""
    from click.testing import CliRunner

    from search.suggester import Suggester
    from studies.cli.main import main
    from tests.studies.sample_study import write_small_study

    seen, asked, real = set[str](), list[int](), Suggester.next

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code.co_filename)

    def counting(self: Suggester, *arguments: object, **named: object) -> object:
        asked.append(len(asked))
        sys.setprofile(note if len(asked) == MEASURED else None)
        return real(self, *arguments, **named)  # pyright: ignore[reportArgumentType]

    Suggester.next = counting  # pyright: ignore[reportAttributeAccessIssue]
    with tempfile.TemporaryDirectory() as folder:
        CliRunner().invoke(main, ["run", str(write_small_study(Path(folder)))])
    sys.setprofile(None)
    return seen & {str(path) for paths in FILES.values() for path in paths}


def main() -> None:
    """Print all figures, a line each."""
    folders = {path.parent for paths in FILES.values() for path in paths}
    largest = max(folders, key=entries)
    print(f"entries of the largest folder: {entries(largest)} ({largest.relative_to(ROOT)})")
    print("arrows:", ", ".join(f"{name} {len(arrows(name))}" for name in PACKAGES))
    readme = (ROOT / "README.md").read_bytes()
    print(f"README: {len(readme.splitlines())} lines, {len(readme) / 1000:.0f} kB")
    modules = trial_modules()
    counts = [f"{name} {sum(f'/{name}/' in module.replace(str(ROOT), '') for module in modules)}" for name in PACKAGES]
    print(f"modules that one trial runs through: {len(modules)} ({', '.join(counts)})")


if __name__ == "__main__":
    main()
