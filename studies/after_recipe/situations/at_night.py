"""The situations of the first finalist, at the end of a night that made its proof."""

from __future__ import annotations

from dataclasses import replace

from studies.after_recipe.measuring.opened import Measuring
from studies.after_recipe.measuring.subject import finalist_subject
from studies.after_recipe.situations.examine import Examination
from studies.after_recipe.situations.planned import planned_situations
from studies.after_recipe.situations.rounds import looks
from studies.after_recipe.situations.showing.report import report_lines, weak_spots_table
from studies.after_recipe.situations.suite import read_suite
from studies.amounts import time_text
from studies.night.proved import ProvedNight
from studies.store.backends.journal.workers import BusyError

AGAIN = "`recipe-search situations` does it"
"""The way to an examination that did not fit into a night."""


def examine_first_finalist(night: ProvedNight) -> None:
    """Examine the first finalist as far as the night has time, and print what was found.

    Args:
        night: after its proof.

    Raises:
        StudyError: the suite cannot be read, a picture cannot be made, or another command examines in this study.
        ScorerError: a scorer failed.
    """
    if not night.outcome.finalists:
        return
    seeds = _seeds_in_time(night)
    if not seeds:
        night.console.print(
            f"there is no time for the situations of finalist 1; {AGAIN}", highlight=False, markup=False
        )
        return
    spec = replace(night.spec, situations=replace(night.spec.situations, seeds=seeds))
    opened = Measuring(spec=spec, store=night.store, hashes=night.hashes, workshop=night.workshop)
    suite = read_suite(spec.situations.suite, spec.situations.frame)
    with night.store.backend.held("situations", _busy):
        result = Examination(opened=opened, subject=finalist_subject(night.outcome, 1), suite=suite).run(night.console)
    if result.weak_spots:
        night.console.print(weak_spots_table(result))
    for line in report_lines(result, spec.storage.folder):
        night.console.print(line, highlight=False, markup=False)


def _seeds_in_time(night: ProvedNight) -> int:
    """How many seeds of a situation the night has time for: all, those of the first look, or none."""
    planned, seeds = planned_situations(night.spec), night.spec.situations.seeds
    if night.limits_pictures:
        return 0
    night.console.print(
        f"{planned}, {time_text(planned.most * night.picture_s)} at most", highlight=False, markup=False
    )
    if planned.most * night.picture_s <= night.left_s:
        return seeds
    return looks(seeds)[0] if planned.first * night.picture_s <= night.left_s else 0


def _busy() -> None:
    raise BusyError("another `recipe-search situations` is at work in this study")
