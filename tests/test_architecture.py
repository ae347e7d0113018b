"""The house keeps its shape: import arrows, light modules, short modules, and nothing else in the wheel."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "scorers", "search", "studies")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
HEAVY = ("torch", "optuna", "diffusers", "transformers", "open_clip", "PIL", "pandas")
LONGEST = 400
HELP = """
sys.argv = ["recipe-search", "--help"]
from studies.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def _heavy_after(code: str) -> list[str]:
    """Run code in a fresh interpreter; return which heavy libraries it has loaded."""
    report = f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    "code",
    [
        "import studies.cli.main",
        HELP,
        "import engine.modes.pair, engine.modes.registry",
        "import search, search.space.space, search.suggester, search.plan, search.finalists",
        "import engine.recipes.recipe, engine.recipes.file, engine.shots.infotext, engine.architecture.layout",
        "import studies.studyfile.read, studies.new_study.template, studies.preflight.name_clash",
        "import scorers.catalogue.lookup, scorers.catalogue.sources, scorers.catalogue.downloads",
        "from engine import Recipe, MergeStep, SelfStep, AdjustStep, Shot, Hires, read_recipe_file, EngineError",
        "from scorers import EncoderFiles, ScorerError",
        "from search import *",
        "from studies import read_study_file, StudySpec, Candidate, StudyError",
    ],
    ids=[
        "cli", "help", "modes", "search", "engine words", "study file", "catalogue",
        "engine's names", "scorers' names", "search's names", "studies' names",
    ],
)  # fmt: skip
def test_light_modules_load_nothing_heavy(code: str) -> None:
    assert _heavy_after(code) == []


def test_pages_are_served_without_torch() -> None:
    """It holds half a gigabyte, beside a night that may need it."""
    assert not {"torch", "diffusers", "transformers"} & set(_heavy_after("import studies.pages.server"))


def test_the_light_check_can_fail() -> None:
    assert _heavy_after("import optuna, PIL") == ["optuna", "PIL"]


def test_import_contracts_hold() -> None:
    status, report = _lint(ROOT)
    assert status == 0, report


@pytest.mark.parametrize(
    ("package", "line", "contract"),
    [
        ("engine", "import optuna", "engine and scorers work in a notebook"),
        ("engine", "import scorers.errors", "studies > search | scorers > engine"),
        ("search", "import scorers.errors", "studies > search | scorers > engine"),
        ("search", "import engine.checkpoints.checkpoint", "search sees only the words of engine"),
        ("search", "import engine.files", "search sees only the words of engine"),
        ("search", "import torch", "search never reaches torch"),
        (
            "engine/supermerger",
            "import torch",
            "the texts of SuperMerger and of other tools are read and written without",
        ),
        ("engine/foreign_recipes", "import torch", "the texts of SuperMerger and of other tools are read and written"),
        ("search", "import optuna", "only search.samplers and search.recipe_sampler import optuna"),
        ("scorers", "import studies.errors", "studies > search | scorers > engine"),
        ("scorers", "import engine.devices", "scorers see nothing of engine but its errors and its whole files"),
        (
            "scorers/scoring",
            "from engine.recipes import blocks",
            "scorers see nothing of engine but its errors and its whole files",
        ),
        ("engine/recipes", "import engine.merging.folded", "engine, from the ground"),
        ("engine/recipes", "import numpy", "what to merge and what to draw, in words"),
        ("scorers/scoring", "import scorers.panel.panel", "scorers, from the ground"),
        ("search/space", "import search.state", "search, from the ground"),
        ("studies/store", "import studies.night.night", "studies, from the ground"),
        ("studies/review", "import click", "click is the command line's"),
        ("studies/rooms", "", "studies, from the ground"),
        (
            "studies/after_recipe/probe",
            "import studies.after_recipe.settings.plan",
            "situations, settings and probe do not know each other",
        ),
        ("search", "import engine", "search sees only the words of engine"),
        ("engine/recipes", "from engine import Engine", "engine, from the ground"),
        ("studies/store", "from studies import Night", "studies, from the ground"),
    ],
)
def test_the_contracts_can_fail(tmp_path: Path, package: str, line: str, contract: str) -> None:
    for name in PACKAGES:
        _skeleton(ROOT / name, tmp_path / name)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / package).mkdir(exist_ok=True)
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "wrong.py").write_text(f"{line}\n")
    status, report = _lint(tmp_path)
    assert status != 0
    assert [row for row in report.splitlines() if contract in row and row.endswith("BROKEN")], report


def _lint(folder: Path) -> tuple[int, str]:
    """Check the contracts of a source tree; the report is so wide that no line is wrapped."""
    linter = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"COLUMNS": "300"}
    done = subprocess.run(
        [linter, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _skeleton(source: Path, target: Path) -> None:
    """Copy a package's modules without their contents, but for what the package itself imports."""
    for path in source.rglob("*.py"):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text() if path == source / "__init__.py" else "")


INITS = [path for path in MODULES if path.name == "__init__.py" and path.parent.parent != ROOT]
"""Those of the sub-packages; the four packages have names that a notebook imports."""


@pytest.mark.parametrize("path", INITS, ids=lambda p: p.parent.name)
def test_init_is_one_docstring(path: Path) -> None:
    (only,) = ast.parse(path.read_text()).body
    assert isinstance(only, ast.Expr)
    assert isinstance(only.value, ast.Constant)
    assert isinstance(only.value.value, str)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_alone_loads_nothing_but_itself(package: str) -> None:
    code = f"import sys\nbefore = set(sys.modules)\nimport {package}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert roots - sys.stdlib_module_names == {package}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_names_what_a_notebook_imports(package: str) -> None:
    module = importlib.import_module(package)
    names = sorted(module.__all__)
    assert 5 <= len(names) <= 15
    assert names == sorted(set(re.findall(r"``(\w+)``", module.__doc__ or "")))
    assert {*names} <= {*dir(module)}
    assert not [name for name in names if (ROOT / package / name).exists() or (ROOT / package / f"{name}.py").exists()]
    for name in names:
        assert getattr(module, name).__module__.split(".")[0] == package
    with pytest.raises(AttributeError, match="no_such_name") as raised:
        _ = module.no_such_name
    assert (raised.value.name, raised.value.obj) == ("no_such_name", module)


def test_a_misspelt_name_of_a_package_is_corrected() -> None:
    code = "import engine; engine.Enigne"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Did you mean: 'Engine'?" in done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_that_are_there(package: str) -> None:
    module = importlib.import_module(package)
    branches = [node for node in ast.parse(Path(str(module.__file__)).read_text()).body if isinstance(node, ast.If)]
    imports = [line for line in branches[0].body if isinstance(line, ast.ImportFrom)]
    seen = {alias.name: line.module for line in imports for alias in line.names}
    assert seen == module._MODULES
    assert sorted(seen) == sorted(module.__all__)


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_and_named_after_one_thing(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert not re.search(r"util|helper|common|misc", path.stem)
    assert path.name == "__init__.py" or "from __future__ import annotations" in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel that hatchling builds from this tree, offline."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_wheel_holds_the_four_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    others = {name for name in top if not name.endswith(".dist-info")}
    assert others == set(PACKAGES)
    assert len(top) == len(PACKAGES) + 1


def test_wheel_holds_every_file_of_the_packages_but_their_readmes(wheel: list[str]) -> None:
    """Templates, styles, suites, fonts and the sample world too: what an installed command reads."""
    files = {name for name in wheel if name.split("/")[0] in PACKAGES}
    here = {path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    ours = {str(path) for path in here if path.name != "README.md" and "__pycache__" not in path.parts}
    assert {"studies/pages/templates/report.md", "studies/drawing/fonts/OFL.txt", "engine/py.typed"} <= ours
    assert files == ours


def test_the_wheel_is_kept_off_public_indexes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
    assert project["scripts"] == {"recipe-search": "studies.cli.start:start"}


# ----------------------------------------------------------------------------------------------- what opens files

OPENING_FUNCTIONS = {"open", "safe_open", "load_file", "JpegImageFile"}
"""Names of functions that open a file by its path."""
OPENING_METHODS = {"open", "read_text", "read_bytes", "safe_open", "load_file", "ZipFile"}
"""Names of methods, and of functions of modules, that do."""
LOADERS = {"torch", "np", "jit"}
"""Modules whose `load` does."""
OWN_FILES = {
    "engine/files.py": "where files are opened",
    "engine/footprint/machine.py": "files of the system",
    "engine/exports/script/parts/new_file.py": "writes a checkpoint",
    "engine/exports/diffusers_folder/weights.py": "writes files of weights",
    "engine/exports/lora/target.py": "writes a LoRA",
    "engine/merging/write.py": "writes a checkpoint",
    "engine/prompts/tokenizer.py": "a file of this package",
    "scorers/catalogue/downloads.py": "what it has written itself",
    "studies/joining": "an archive that it wrote, or that came from the artifacts",
    "studies/limits/watchdog.py": "writes where threads are",
    "studies/night/continuing/searched.py": "the code of this package",
    "studies/pages/languages.py": "files of this package",
    "studies/pages/nights.py": "writes a log",
    "studies/pages/reading/exports.py": "opens a file only if it is no link at that moment, and no device",
    "studies/review/judging/picks.py": "files of a study, which are checked where they are kept",
    "studies/preflight/card_table.py": "documents of this repository",
    "studies/status/night_log.py": "appends to a log, and waits for no pipe in its place",
    "studies/store": "files of a study, which are checked where they are kept",
    "studies/sample": "files of this package",
    "studies/studyfile/reference.py": "a file of this package",
    "studies/terminal.py": "a device that takes output",
}
"""Modules and rooms that open only files of their own, and which."""
NOT_FILES = {"Engine", "Panel", "References", "Encoders", "Encoder", "Workshop"}
"""Classes whose `open` is ours."""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_reader_takes_files_alone(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    assert any(name.startswith(own) for own in OWN_FILES) or bare_openers(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "Path(name).read_text()",
        "path.open('rb')",
        "open(path)",
        "Image.open(path)",
        "torch.load(path, weights_only=True)",
        "with safe_open(str(path), framework='pt') as file: pass",
        "self.path(name).read_bytes()",
    ],
)
def test_a_reader_of_anything_is_seen(source: str) -> None:
    assert bare_openers(source) == [1]


@pytest.mark.parametrize("source", ["readable(path).open('rb')", "torch.load(readable(path))", "Engine.open(models)"])
def test_a_reader_of_files_is_let_be(source: str) -> None:
    assert bare_openers(source) == []


def bare_openers(source: str) -> list[int]:
    """Lines that open a file of any kind: without `readable`, a pipe or a device would never come to an end."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if _opens(call) and "readable" not in _names(call)]


def _opens(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in OPENING_FUNCTIONS
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr="load"):
            return owner in LOADERS
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return name in OPENING_METHODS and owner not in NOT_FILES
        case ast.Attribute(attr=name):
            return name in OPENING_METHODS
        case _:
            return False


def _names(call: ast.Call) -> set[str]:
    return {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
