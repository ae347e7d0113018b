"""What an error says is for people: no module cuts it, searches it or compares it; problems have parts for that."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for name in ("engine", "scorers", "search", "studies") for path in (ROOT / name).rglob("*.py"))
GROUND = ROOT / "engine/errors.py"
"""Where texts are made, and the first line of another library's is taken."""
CUTTERS = {"split", "rsplit", "partition", "rpartition", "splitlines", "removeprefix", "removesuffix", "startswith"}
CUTTERS |= {"endswith", "find", "rfind", "index", "rindex", "replace", "count"}
"""Methods that take a text apart, or look what is in it."""
SEARCHES = {"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
"""Functions of `re`, and methods of its patterns, that search the texts they are given."""
HEAD = "try:\n    pass\nexcept ValueError as error:\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_takes_apart_what_an_error_says(path: Path) -> None:
    assert path == GROUND or cuts(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "    reason = str(error).splitlines()[0]",
        HEAD + "    what, _, remedy = str(error).removeprefix('x: ').partition('; ')",
        HEAD + "    what = f'{error}'.split(';')",
        HEAD + "    what = (str(error) or type(error).__name__).splitlines()",
        HEAD + "    text = str(error); what = text.partition('; ')",
        HEAD + "    what = error.args[0].split(':')",
        HEAD + "    what = re.split('; ', str(error))",
        HEAD + "    if '; ' in str(error): raise",
        HEAD + "    what = str(error)[7:]",
        HEAD + "    if str(error) == 'x': raise",
        HEAD + "    if 'x' != str(error): raise",
        HEAD + "    place = str(error).find(':')",
        HEAD + "    place = str(error).index(':')",
        HEAD + "    count = str(error).count(':')",
        HEAD + "    what = str(error).replace('; ', ', ')",
        HEAD + "    if str(error).endswith('.'): raise",
        HEAD + "    found = PATTERN.search(str(error))",
        HEAD + "    found = PATTERN.match(str(error))",
        HEAD + "    found = PATTERN.fullmatch(str(error))",
        HEAD + "    found = PATTERN.findall(str(error))",
        HEAD + "    what = PATTERN.sub('', str(error))",
        HEAD + "    what = PATTERN.split(str(error))",
        HEAD + "    found = PATTERN.search(string=str(error))",
        HEAD + "    text: str = str(error); what = text.split()",
        "def missing(problems): return problems[0].what == 'is missing'",
        "def lines(error: StudyError | None) -> list[str]: return str(error).splitlines()",
        "def lines(problem): return problem.what.split(', ')",
    ],
)
def test_the_check_can_fail(source: str) -> None:
    assert cuts(source)


def test_the_check_lets_other_texts_be() -> None:
    raised = HEAD + "    raise KeyError(f'{error}; {path}') from error\n"
    assert cuts(raised + "words = 'a b'.split()\nname = str(path)[1:]") == []


def cuts(source: str) -> list[int]:
    """Lines where the text of an error, or a name that was given one, is cut or searched."""
    tree = ast.parse(source)
    errors = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    errors |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg) and _is_error(node.annotation)}
    texts = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and _says(node.value, errors, texts):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            texts |= {target.id for target in targets if isinstance(target, ast.Name)}
    return [part.lineno for part in _cut_parts(tree) if _says(part, errors, texts)]


def _is_error(annotation: ast.expr | None) -> bool:
    names = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)] if annotation else []
    return any(name.endswith(("Error", "Exception")) for name in names)


def _cut_parts(tree: ast.AST) -> Iterator[ast.expr]:
    """Every expression that is taken apart, searched in or compared, or of which a part is taken."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in SEARCHES:
                yield from (*node.args, *(keyword.value for keyword in node.keywords))
            if node.func.attr in CUTTERS:
                yield node.func.value
        elif isinstance(node, ast.Compare):
            yield from _compared(node)
        elif isinstance(node, ast.Subscript):
            yield node.value


def _compared(node: ast.Compare) -> Iterator[ast.expr]:
    """Both sides of `==` and `!=`, and the text that `in` searches."""
    sides = (node.left, *node.comparators)
    for left, sign, right in zip(sides, node.ops, node.comparators, strict=False):
        if isinstance(sign, ast.Eq | ast.NotEq):
            yield from (left, right)
        elif isinstance(sign, ast.In | ast.NotIn):
            yield right


def _says(node: ast.expr, errors: set[str], texts: set[str]) -> bool:
    """Whether an expression holds what an error says: `str(error)`, `f"{error}"`, `error.args`, `problem.what`."""
    match node:
        case ast.Name(id=name):
            says = name in texts
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name)]):
            says = name in errors
        case ast.Attribute(value=ast.Name(id=name), attr="args"):
            says = name in errors
        case ast.JoinedStr(values=parts):
            inside = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
            says = any(isinstance(value, ast.Name) and value.id in errors for value in inside)
        case ast.BoolOp(values=parts):
            says = any(_says(part, errors, texts) for part in parts)
        case ast.Call(func=ast.Attribute(value=owner)) | ast.Subscript(value=owner):
            says = _says(owner, errors, texts)
        case _:
            says = isinstance(node, ast.Attribute) and node.attr in {"what", "remedy"}
    return says


@pytest.mark.parametrize("path", [one for one in MODULES if one.is_relative_to(ROOT / "studies")], ids=lambda p: p.name)
def test_counts_of_pictures_are_written_by_one_function(path: Path) -> None:
    """`counted` knows one from several, and writes the comma of thousands."""
    assert not re.findall(r"\{[^{}\"]*\} (?:held-out )?pictures?\b(?! in)", path.read_text(encoding="utf-8"))
