"""Pack and measure the sample world: ``python -m studies.sample.shipping --work FOLDER --to FOLDER``.

The pair is packed, rendered and measured. Its table is kept beside the packed files in any case; they are copied to
where they ship only if the pair passes the gate; where that is the package, its README gets the table. A pair that was
trained elsewhere is packed there (``--pack-only``), in eight files at most, and measured here (``--packed``).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from engine.errors import Named, Problems
from engine.files import write_text
from studies.errors import StudyError
from studies.sample.scenery.looks import random_look
from studies.sample.shipping.gate import GateRow, gate_table, keep_gate, measure, with_table
from studies.sample.shipping.judging import Judge, Shots, by_blocks, gate_shots
from studies.sample.shipping.packed import CLASSIFIER, pack, packed_classifier, packed_vae
from studies.sample.training.__main__ import add_machine, workshop
from studies.sample.training.axes import MAIN, SECOND, PairPlan
from studies.sample.training.pictures import drawn
from studies.sample.training.vae import round_trip
from studies.sample.world import CHECKPOINTS, WORLD, write_world

README = WORLD.with_name("README.md")
"""Holds the table of what ships."""
ROUND_TRIPS = 64
"""Drawings that the VAE's error is measured on; it never saw them."""


def ship(packed: Path, pair: PairPlan, shots: Shots, to: Path) -> tuple[GateRow, ...]:
    """Measure a packed pair, and copy it to where it ships.

    Raises:
        StudyError: the pair does not pass the gate; nothing was copied. All that it lacks is named.
    """
    whole = packed.with_name(f"{packed.name}_whole")
    shutil.rmtree(whole, ignore_errors=True)  # that of an earlier packing
    files = write_world(whole, packed=packed, names=CHECKPOINTS)
    judge = Judge(files, by_blocks(pair.plant()), shots, packed / "references")
    error = round_trip_error(packed, shots.shifted[0].width)
    rows = measure(judge, pair, packed_classifier(packed), round_trip_error=error)
    judge.close()
    keep_gate(rows, packed)
    _refuse_what_lacks(rows)
    others = shutil.ignore_patterns(CLASSIFIER)
    # Not with their modes: what is written under a temporary name is readable by its owner alone.
    shutil.copytree(packed, to, dirs_exist_ok=True, ignore=others, copy_function=shutil.copyfile)
    return rows


def round_trip_error(packed: Path, side: int) -> float:
    """Return the mean absolute difference of new drawings after the packed VAE, of the range 0..1."""
    pictures = drawn(ROUND_TRIPS, 9_000_000, random_look, side).pictures
    return float((round_trip(packed_vae(packed), pictures).float() - pictures.float()).abs().mean()) / 255


def _refuse_what_lacks(rows: tuple[GateRow, ...]) -> None:
    problems = Problems()
    for row in rows:
        if not row.passed:
            limit = f"{'at most' if row.at_most else 'at least'} {row.wanted:g}"
            problems.add((Named(row.what),), f"is {row.measured:.2f}, and {limit} is wanted", "train longer")
    problems.raise_as(StudyError)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Pack the sample world.")
    add_machine(parser)
    parser.add_argument("--to", type=Path, help="folder for the files that ship; needed unless --pack-only")
    parser.add_argument("--second", action="store_true", help="the second pair, for tests and benchmarks")
    parser.add_argument("--pack-only", action="store_true", help="pack, and do not measure")
    parser.add_argument("--packed", action="store_true", help="measure what was packed before")
    arguments = parser.parse_args()
    to: Path | None = arguments.to
    if to is None and not arguments.pack_only:
        parser.error("--to FOLDER is missing")
    shop, pair = workshop(arguments), SECOND if arguments.second else MAIN
    packed = shop.folder / f"packed_{pair.name}"
    if not arguments.packed:
        pack(shop, pair, packed)
    if to is not None and not arguments.pack_only:
        table = gate_table(ship(packed, pair, gate_shots(), to))
        print(table)  # noqa: T201  it is what the command is for
        if to.resolve() == WORLD.resolve():
            write_text(README, with_table(README.read_text(encoding="utf-8"), table))


if __name__ == "__main__":
    main()
