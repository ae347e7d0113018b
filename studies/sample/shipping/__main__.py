"""Pack the sample world: ``python -m studies.sample.shipping --work FOLDER --to FOLDER``.

The pair is packed, rendered and measured. Its table is kept in the work folder in any case; the files go to where they
ship only if the pair passes the gate.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from diffusers import AutoencoderKL

from engine.errors import Named, Problems
from studies.errors import StudyError
from studies.sample.scenery.looks import random_look
from studies.sample.shipping.gate import GateRow, gate_table, keep_gate, measure
from studies.sample.shipping.judging import Judge, Shots, by_blocks, gate_shots
from studies.sample.shipping.packed import pack, write_pair
from studies.sample.training.__main__ import add_machine, workshop
from studies.sample.training.axes import MAIN, SECOND, PairPlan
from studies.sample.training.pictures import drawn
from studies.sample.training.run import averages_of
from studies.sample.training.stages import Workshop, trained_vae
from studies.sample.training.subjects import new_classifier
from studies.sample.training.vae import round_trip

ROUND_TRIPS = 64
"""Drawings that the VAE's error is measured on; it never saw them."""


def ship(shop: Workshop, pair: PairPlan, shots: Shots, to: Path) -> tuple[GateRow, ...]:
    """Pack a trained pair, measure it, and put it where it ships.

    Raises:
        StudyError: the pair does not pass the gate; nothing was put there. All that it lacks is named.
    """
    vae, made = trained_vae(shop), shop.folder / f"packed_{pair.name}"
    pack(shop, vae, pair, made)
    files = write_pair(made, shop.folder / f"whole_{pair.name}")
    judge = Judge(files, by_blocks(pair.plant()), shots, made / "references")
    classifier = new_classifier()
    classifier.load_state_dict(averages_of(shop.file("classifier"), "classifier"))
    rows = measure(judge, pair, classifier, round_trip_error=round_trip_error(shop, vae))
    judge.close()
    keep_gate(rows, made)
    _refuse_what_lacks(rows)
    shutil.copytree(made, to, dirs_exist_ok=True)
    return rows


def round_trip_error(shop: Workshop, vae: AutoencoderKL) -> float:
    """Return the mean absolute difference of new drawings after the VAE, of the range 0..1."""
    pictures = drawn(ROUND_TRIPS, 9_000_000, random_look, shop.settings.side).pictures
    return float((round_trip(vae, pictures).float() - pictures.float()).abs().mean()) / 255


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
    parser.add_argument("--to", type=Path, required=True, help="folder for the files that ship")
    parser.add_argument("--second", action="store_true", help="pack the second pair, for tests and benchmarks")
    arguments = parser.parse_args()
    rows = ship(workshop(arguments), SECOND if arguments.second else MAIN, gate_shots(), arguments.to)
    print(gate_table(rows))  # noqa: T201  it is what the command is for


if __name__ == "__main__":
    main()
