"""What a report says of situations, recommended settings and blocks, with the pictures that have room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from studies.pages.measured.probe import ShownProbe, shown_probe
from studies.pages.measured.settings import ShownSettings, shown_settings
from studies.pages.measured.situations import ShownSituations, examined_names, shown_situations
from studies.pages.reading.snapshot import Snapshot
from studies.pages.report.embedding import EmbeddedPicture, PictureShelf

WEAK_SPOTS, GRIDS, STRIPS = 8, 12, 26
"""The most pictures of each."""
SIZE = "1280"
"""Of these pictures: they hold several ones, with words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMeasured:
    """Results that were measured after the search; None where there is none."""

    situations: ShownSituations | None
    settings: ShownSettings | None
    probe: ShownProbe | None
    more_situations: tuple[str, ...]
    """Titles of earlier examinations, which the pages show."""
    more_settings: tuple[str, ...]
    """Titles of earlier searches for settings."""
    problems: tuple[str, ...]
    """What of them cannot be read, for people."""
    pictures: Mapping[str, EmbeddedPicture]
    """By their names; those that had room."""


def measured_results(study: Snapshot, shelf: PictureShelf) -> ReportMeasured:
    """Gather what was measured of a study.

    Args:
        study: as it is now.
        shelf: takes the pictures.
    """
    folder = study.spec.storage.folder
    situations, probe = shown_situations(folder), shown_probe(folder)
    settings, searched = shown_settings(study.spec)
    names = [
        *(_situation_pictures(situations.found) if situations.found else ()),
        *(_settings_pictures(settings.found) if settings.found else ()),
        *(_probe_pictures(probe.found) if probe.found else ()),
    ]
    taken = {name: shelf.take(name, SIZE) for name in names}
    return ReportMeasured(
        situations=situations.found,
        settings=settings.found,
        probe=probe.found,
        more_situations=tuple(examined_names(folder).values())[1:],
        more_settings=tuple(searched.values())[1:],
        problems=tuple(one.problem for one in (situations, settings, probe) if one.problem),
        pictures={name: picture for name, picture in taken.items() if picture is not None},
    )


def _situation_pictures(shown: ShownSituations) -> Iterator[str]:
    yield from [one.picture for one in shown.weak_spots if one.picture][:WEAK_SPOTS]


def _settings_pictures(shown: ShownSettings) -> Iterator[str]:
    yield from [name for name in (shown.joint_grid, *(one.grid for one in shown.steps)) if name][:GRIDS]


def _probe_pictures(shown: ShownProbe) -> Iterator[str]:
    if shown.strongest:
        yield shown.strongest
    yield from [row.strip for row in shown.strips if row.knob.kind == "block"][:STRIPS]
