"""What functions import when they run is there: no test need call each of them for a module that was moved to show."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOUSE = ("engine", "scorers", "search", "studies")


def late_imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of every absolute import inside of a function; the name is "" for a whole module."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for node in (inner for function in functions for inner in ast.walk(function)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def is_there(module: str, name: str) -> bool:
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:  # Triton and its kind are only there on some machines
        return (error.name or "").partition(".")[0] not in HOUSE
    return not name or hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}") is not None


def missing_imports(paths: Sequence[Path]) -> list[str]:
    seen: dict[tuple[str, str], bool] = {}
    missing: list[str] = []
    for path in paths:
        for line, module, name in late_imports(ast.parse(path.read_text(encoding="utf-8"))):
            if module.partition(".")[0] not in HOUSE:
                continue
            if (module, name) not in seen:
                seen[module, name] = is_there(module, name)
            if not seen[module, name]:
                missing.append(f"{path.name}:{line}: {module} {name}")
    return missing


def test_what_functions_import_from_the_house_is_there() -> None:
    assert not missing_imports([path for package in HOUSE for path in sorted((ROOT / package).rglob("*.py"))])


def test_a_module_that_was_moved_is_found(tmp_path: Path) -> None:
    moved = tmp_path / "moved.py"
    moved.write_text("def late():\n    from studies.studyfile import moved\n    import engine.no_such_module\n")
    assert missing_imports([moved]) == ["moved.py:2: studies.studyfile moved", "moved.py:3: engine.no_such_module "]
