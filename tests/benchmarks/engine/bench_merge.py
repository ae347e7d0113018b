"""What merging two checkpoints of real size into a file takes, against copying the same bytes and against sd-mecha.

``RECIPE_SEARCH_BENCH_FOLDER`` says where the checkpoints and sd-mecha's own environment are kept between runs, else
they are made anew. ``RECIPE_SEARCH_BENCH_FAMILIES`` (``sd1``, or ``sd1,sdxl``) says which families. Linux only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from tests.benchmarks.engine.real_size import write_real_size
from tests.benchmarks.measured import HEADINGS, Measured, measure

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the counters of Linux in /proc"),
]

ROOT = Path(__file__).parents[3]
MECHA = ("sd-mecha==1.1.8", "fuzzywuzzy==0.18.0", "python-Levenshtein", "PyYAML")
FAMILIES = os.environ.get("RECIPE_SEARCH_BENCH_FAMILIES", "sd1").split(",")
BLOCKS = {"sd1": 26, "sd2": 26, "sdxl": 20}

COPY = """
import os, sys
size = 1 << 22
held = memoryview(bytearray(size))
with open(sys.argv[1], "rb") as a, open(sys.argv[2], "rb") as b, open(sys.argv[3], "wb") as out:
    while count := a.readinto(held):
        out.write(held[:count])
        b.readinto(held)
    out.flush()
    os.fsync(out.fileno())
"""

MERGE = """
import sys
import sd_mecha
family, a, b, out, *ratios = sys.argv[1:]
config = {"sd1": "sd1-ldm", "sdxl": "sdxl-sgm"}[family]
last = 12 if family == "sd1" else 9
names = ["BASE", *(f"IN{n:02d}" for n in range(last)), "M00", *(f"OUT{n:02d}" for n in range(last))]
blocks = dict(zip(names, map(float, ratios), strict=True))
if family == "sdxl":
    blocks["VAE"] = blocks["BASE"]
models = [sd_mecha.model(path, config) for path in (a, b)]
alpha = sd_mecha.convert(sd_mecha.literal(blocks, f"{family}-supermerger_blocks"), config)
sd_mecha.merge(sd_mecha.weighted_sum(*models, alpha=alpha), output=out)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("RECIPE_SEARCH_BENCH_FOLDER")
    found = Path(named) if named else tmp_path_factory.mktemp("real-size")
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_merge(family: FamilyName, folder: Path) -> None:
    """Each way twice, each time the first from a cold and the second from a warm page cache."""
    pair = checkpoints(family, folder)
    out = folder / "out.safetensors"
    rows: list[tuple[str, Measured, Measured]] = []
    for name, run in ways(family, pair, out, folder).items():
        forget(pair)
        rows.append((name, run(), run()))
    report(family, pair, rows)


def ways(family: FamilyName, pair: list[Path], out: Path, folder: Path) -> dict[str, Callable[[], Measured]]:
    """What is measured, by name; sd-mecha only where it knows the family and can be installed."""
    ratios = [round(0.2 + 0.6 * (n * 7 % 26) / 26, 3) for n in range(BLOCKS[family])]
    recipe, copy, merge = folder / "recipe.toml", folder / "copy.py", folder / "mecha.py"
    recipe.write_text(recipe_text(family, pair, ratios))
    copy.write_text(COPY)
    merge.write_text(MERGE)
    paths = [*map(str, pair), str(out)]
    ours = ["-m", "studies.cli.main", "merge", str(recipe), str(out)]
    here = Path(sys.executable)
    found = {
        "copy: read both, write one": runner([str(copy), *paths], here, out),
        "recipe-search merge": runner(ours, here, out),
        "recipe-search merge --folded": runner([*ours, "--folded"], here, out),
        "the same without metadata": runner([*ours, "--no-recipe"], here, out),
    }
    if family != "sd2" and (other := mecha_python(folder)):
        found["sd-mecha 1.1.8"] = runner([str(merge), family, *paths, *map(str, ratios)], other, out)
    return found


def runner(command: list[str], python: Path, out: Path) -> Callable[[], Measured]:
    """A call that measures the command, with nothing at ``out`` before and after."""

    def run() -> Measured:
        for path in out.parent.glob(f"{out.stem}*"):
            path.unlink()
        try:
            return measure(command, python=python, report=out.parent / "report.json", cwd=ROOT, env={})
        finally:
            for path in out.parent.glob(f"{out.stem}*"):
                path.unlink()

    return run


def checkpoints(family: FamilyName, folder: Path) -> list[Path]:
    """A and B, written where they are not there yet."""
    size = 2 * sum(_elements(shape) for shape in shapes(REAL[family]).values())
    paths = [folder / f"{family}-{seed}-fp16.safetensors" for seed in (1, 2)]
    missing = [path for path in paths if not path.exists()]
    need = 3 * size * (1 + len(missing))
    if (free := shutil.disk_usage(folder).free) < need:
        pytest.skip(f"{folder} has {free / 1e9:.0f} GB free; this measurement wants {need / 1e9:.0f} GB")
    for path in missing:
        write_real_size(path, family, seed=1 + paths.index(path))
    return paths


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def recipe_text(family: FamilyName, pair: list[Path], ratios: list[float]) -> str:
    """A Weight sum with one weight a block."""
    return (
        f'format = 1\ndialect = "classic"\nfamily = "{family}"\n[models]\n'
        f'A = "{pair[0]}"\nB = "{pair[1]}"\n[[steps]]\nkind = "merge"\nalpha = {ratios}\n'
    )


def mecha_python(folder: Path) -> Path | None:
    """The interpreter of sd-mecha's own environment; it borrows torch from this one. None where it cannot be had."""
    home = folder / "mecha"
    python = home / "bin" / "python"
    if not (home / ".whole").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", *MECHA, "levenshtein", "rapidfuzz"]
        if subprocess.run(install, check=False).returncode:
            print("sd-mecha cannot be installed here and is left out")
            return None
        borrowed = next(home.glob("lib/python*/site-packages")) / "borrowed.pth"
        borrowed.write_text(sysconfig.get_path("purelib") + "\n")
        (home / ".whole").touch()
    return python


def forget(paths: list[Path]) -> None:
    """Ask the system to drop its copies of these files, so that the next run reads from the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def report(family: FamilyName, pair: list[Path], rows: list[tuple[str, Measured, Measured]]) -> None:
    """Print the table."""
    sizes = " and ".join(f"{path.stat().st_size:,}" for path in pair)
    print(f"\nmerge, {family}, {sizes} bytes, {BLOCKS[family]} block weights, {os.cpu_count()} cores")
    print(f"  {'':28s}      {HEADINGS}")
    for name, cold, warm in rows:
        print(f"  {name:28s} cold {cold.row()}")
        print(f"  {'':28s} warm {warm.row()}")
