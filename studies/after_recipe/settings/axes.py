"""Which settings are searched, in which order, and the values that a person asks for.

The order is that of the article that this project grew from: what changes a picture most first, and what the earlier
choices bear on (the size, how far a sampler has come) last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import Named, Place, Problems, close_first
from studies.candidate import MERGED_VAE
from studies.errors import StudyError
from studies.pictures.plot_axes import read_axis
from studies.pictures.plot_kinds import AXIS_KINDS, AxisKind, known_kind

ORDER: tuple[str, ...] = (
    "Sampler",
    "Schedule type",
    "VAE",
    "Hires upscaler",
    "Hires sampler",
    "CFG Scale",
    "Denoising",
    "Steps",
    "Hires steps",
    "Clip skip",
    "Hires upscale",
    "Size",
)
"""The settings that can be searched, by the names of plots' axes, in the order in which they are."""
ONLY_ASKED = frozenset({"Schedule type", "Hires sampler"})
"""Settings that are searched only with values that a person gives: a sampler brings its schedule along."""
OF_HIRES = frozenset({"Hires upscaler", "Hires sampler", "Denoising", "Hires steps", "Hires upscale"})
"""The settings of a second pass."""
OF_SIZE = frozenset({"Hires upscale", "Size"})
"""The settings that change how large pictures are."""
SIZE = "Size"
"""The setting that is searched only where a person asks for it."""
MOST_VALUES = 24
"""The most values of one setting: a step compares each with each."""
OPTION = Named("--try")
"""The place of the texts that the command line gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedValues:
    """What a person wants tried.

    Attributes:
        by_axis: the values, by the name of the axis.
        hires: True: pictures get a second pass where the study has none; False: they lose theirs; None: as the study.
        size: whether sizes are searched.
    """

    by_axis: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    hires: bool | None = None
    size: bool = False

    def axes(self, *, hires: bool) -> list[AxisKind]:
        """Return the settings to search, in order.

        Args:
            hires: whether the pictures have a second pass.
        """
        return [AXIS_KINDS[name] for name in ORDER if self._is_searched(name, hires=hires)]

    def _is_searched(self, name: str, *, hires: bool) -> bool:
        if name in OF_HIRES and not hires:
            return False
        if name in self.by_axis:
            return True
        return self.size if name == SIZE else name not in ONLY_ASKED


def asked_values(
    in_file: Sequence[str],
    on_line: Sequence[str] = (),
    *,
    here: Path = Path(),
    hires: bool | None = None,
    size: bool = False,
) -> AskedValues:
    """Read what a person wants tried.

    Args:
        in_file: ``AXIS = VALUES`` of the study file's ``[settings] try``.
        on_line: the same of the command line; an axis there takes the place of the file's.
        here: the study file's folder, from which its paths start.
        hires: as in ``AskedValues``; None: a value of a second pass asks for one.
        size: whether sizes are searched.

    Raises:
        StudyError: an axis is unknown, is none of these settings or is given twice, or a value cannot be read.
    """
    problems = Problems()
    by_axis = _read_all(in_file, ("settings", "try"), here, problems) | _read_all(on_line, (OPTION,), Path(), problems)
    unused = sorted(OF_HIRES & by_axis.keys())
    if hires is False and unused:
        problems.add((OPTION,), f"{', '.join(unused)}: settings of a second pass, and --no-hires leaves it out")
    problems.raise_as(StudyError)
    return AskedValues(by_axis=by_axis, hires=True if unused else hires, size=size)


def _read_all(texts: Sequence[str], place: Place, here: Path, problems: Problems) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for number, text in enumerate(texts):
        name, equals, written = text.partition("=")
        with problems.collecting(*place, *([number] if len(place) > 1 else [])):
            kind = _searched_kind(name)
            if not equals:
                raise StudyError(
                    f"{text!r} has no values", remedy=f'write them behind a =, such as "{kind.name} = ..."'
                )
            if kind.name in found:
                raise StudyError(f"{kind.name} is given twice", remedy="write all its values into one list")
            own = Problems()
            axis = read_axis("", kind, written.strip(), (), None, own)
            own.raise_as(StudyError)
            if axis:
                values = [_placed(value, here) for value in axis.values] if kind.sort == "vae" else axis.values
                found[kind.name] = _counted(kind, values)
    return found


def _searched_kind(name: str) -> AxisKind:
    kind = known_kind(name)
    if kind is None or kind.name not in ORDER:
        what = f"{kind.name} is not searched" if kind else f"there is no setting {name.strip()!r}"
        known = ORDER if kind else close_first(name.strip(), ORDER)
        raise StudyError(what, remedy=f"these can be searched: {', '.join(known)}")
    return kind


def _placed(value: Path | None, here: Path) -> Path | None:
    """Where a VAE lies; the word for the merged one is no file."""
    return None if value is None or str(value) == MERGED_VAE else here / value


def _counted(kind: AxisKind, values: Sequence[Any]) -> tuple[Any, ...]:
    if len(values) > MOST_VALUES:
        raise StudyError(f"{kind.name} has {len(values)} values", remedy=f"at most {MOST_VALUES} are compared")
    return tuple(dict.fromkeys(values))
