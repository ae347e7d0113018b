"""Where a study keeps what situations, settings and probe found, and which of their pictures a page may show."""

from __future__ import annotations

import re
from pathlib import Path

from studies.results import folklore, probe, settings_file, situations

SITUATIONS, SETTINGS, PROBE = situations.FOLDER, settings_file.FOLDER, probe.FOLDER
"""The three folders, within a study's, which are the names of the commands and of the pages too."""
MEASURES = (SITUATIONS, SETTINGS, PROBE)
SEPARATOR = "~"
"""Between the parts of a picture's name: an address has no room for more slashes."""
_PART = re.compile(r"\w[\w.-]{0,120}")


def result_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that change whenever a result does.

    Args:
        folder: of the study.
    """
    return (
        folder / SITUATIONS / situations.LATEST,
        *sorted((folder / SITUATIONS).glob(f"*/{situations.RESULT}")),
        *sorted((folder / SETTINGS).glob(f"*/{settings_file.RESULT}")),
        probe.probe_file(folder),
        folklore.folklore_file(folder),
    )


def measured(folder: Path) -> tuple[str, ...]:
    """Return those of `MEASURES` of which a study has a result, readable or not."""
    known = {
        SITUATIONS: bool(situations.examined(folder)),
        SETTINGS: any((folder / SETTINGS).glob(f"*/{settings_file.RESULT}")),
        PROBE: probe.probe_file(folder).is_file(),
    }
    return tuple(name for name in MEASURES if known[name])


def picture_name(*parts: str) -> str:
    """Return how pages call a picture: `m-situations~KEY~weak.png` is `situations/KEY/weak.png` of the study."""
    return "m-" + SEPARATOR.join(parts)


def picture_file(folder: Path, name: str) -> Path | None:
    """Return the file of such a name; None where it is none of a result's pictures.

    Args:
        folder: of the study.
        name: as `picture_name` has it.
    """
    measure, *parts = name.removeprefix("m-").split(SEPARATOR)
    known = measure in MEASURES and 1 <= len(parts) <= 3 and all(map(_PART.fullmatch, parts))
    file = folder.joinpath(measure, *parts)
    return file if known and name.startswith("m-") and file.suffix == ".png" and file.is_file() else None
