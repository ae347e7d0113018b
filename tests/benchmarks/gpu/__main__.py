"""Every measurement of a GPU in one run of under ten minutes: ``make bench-gpu``.

Each section is a process of its own, with a limit of time: one that runs out of memory, hangs or fails says so, and the
next goes on. ``--tiny`` runs all of it on the models of the sample world, on a CPU too, to see that the script works.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECTIONS: dict[str, int] = {
    "builds sd1": 90,
    "builds sdxl": 150,
    "bits": 60,
    "render": 150,
    "vae": 60,
    "share": 60,
    "limit 8": 60,
    "limit 12": 60,
    "host": 60,
}
"""What is measured, in this order, and the seconds that each may take at most."""
LIMIT_S = 570
"""Seconds that all of it may take."""


def main() -> int:
    """Run the sections and print their tables; exit status 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--folder", type=Path, help="where the random checkpoints are kept; default: not at all")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--tiny", action="store_true", help="on the models of the sample world")
    options = parser.parse_args()
    if unknown := [name for name in options.sections if name not in SECTIONS]:
        parser.error(f"there is no section {', '.join(unknown)}")
    began, failed = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for name in options.sections or SECTIONS:
            left = LIMIT_S - (time.monotonic() - began)
            failed += not run(name, folder, options.device, min(SECTIONS[name], left), tiny=options.tiny)
    return int(failed > 0)


def run(name: str, folder: Path, device: str, limit: float, *, tiny: bool) -> bool:
    """Run one section in a process of its own; False where it failed or took too long."""
    if limit <= 0:
        print(f"## {name}\nleft out: the time is over\n", flush=True)
        return False
    command = [sys.executable, "-m", "tests.benchmarks.gpu.sections", name, str(folder), device]
    print(f"## {name}", flush=True)
    began = time.monotonic()
    try:
        status = subprocess.run([*command, *["--tiny"] * tiny], timeout=limit, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"broken off after {limit:.0f} s", flush=True)
        return False
    if status:
        print(f"failed with status {status}", flush=True)
    print(f"({time.monotonic() - began:.0f} s)\n", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
