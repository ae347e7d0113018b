"""Checks of the reference pictures: missing, no pictures, too few or too small, copies, and what is passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Place, counted
from engine.files import file_kind
from studies.preflight.findings import Finding
from studies.studyfile.spec import TargetLook

if TYPE_CHECKING:
    import torch

FEWEST_REFERENCES = 4
"""The fewest references: with fewer, a style cannot be separated from a subject, unless words name it."""
GOOD_REFERENCES = 8
"""The number of references below which the check warns."""
FEWEST_PIXELS = 16
"""The fewest pixels to a side that show anything: two of the cells in which a failing decoder shows."""
SMALL = 32
"""The pixels to a side below which the check warns, where renders have more."""
JPEG = (".jpg", ".jpeg", ".jfif")
OTHER_PICTURES = frozenset(
    {".ai", ".arw", ".clip", ".cr2", ".cr3", ".dng", ".eps", ".exr", ".hdr", ".heic", ".heif", ".hif", ".jxl", ".kra"}
    | {".nef", ".orf", ".pdf", ".psb", ".raf", ".svg", ".xcf"}
)
"""Endings of pictures that are not read here."""
THUMBNAIL = 16
"""The side in pixels at which pictures are compared."""
SAME = 8 / 255
"""The most by which thumbnails of one picture differ, however it was saved."""
WHERE = ("target", "references")


def reference_findings(target: TargetLook, here: Path, shortest_side: int) -> Iterator[Finding]:
    """Yield what is wrong with the references, or should be known of them.

    Args:
        target: the references.
        here: the folder that paths start from.
        shortest_side: of the renders, in pixels.
    """
    thumbnails: dict[Path, torch.Tensor] = {}
    sizes: dict[Path, tuple[int, int]] = {}
    yield from _unusable(target.references, here, thumbnails, sizes)
    copies = list(_copies(thumbnails))
    yield from _count_findings(len(thumbnails) - len(copies), words=bool(target.like))
    if copies:
        listed = ", ".join(f"{copy.name} of {first.name}" for copy, first in copies)
        what = f"{len(copies)} of {len(target.references)} are copies of others: {listed}"
        yield Finding.of("warning", WHERE, what, "remove them, since a picture that comes twice counts twice")
    yield from _small(sizes, shortest_side)
    yield from _passed_over(target.passed_over)
    jpegs = sum(path.suffix.lower() in JPEG for path in target.references)
    if jpegs:
        yield Finding.of(
            "note",
            WHERE,
            f"{jpegs} of {len(target.references)} are JPEG files; strong compression counts as look",
            "use PNG files, or JPEG files of quality 90 and more",
        )


def _unusable(
    paths: Sequence[Path], here: Path, thumbnails: dict[Path, torch.Tensor], sizes: dict[Path, tuple[int, int]]
) -> Iterator[Finding]:
    """Read every picture, and yield those that cannot be used; of the others, their thumbnails and sizes are added."""
    from torch.nn.functional import interpolate

    from scorers.encoders.preprocess import load_picture
    from scorers.errors import ScorerError

    for path in paths:
        try:
            picture = load_picture(path)
        except ScorerError as error:
            there = file_kind(path)
            remedy = "remove it, or save it as PNG" if there else f"name a folder or pictures; paths start from {here}"
            for problem in error.problems:
                yield Finding(level="error", problem=problem.under(*WHERE).advised(remedy))
            continue
        height, width = picture.shape[1:]
        if min(height, width) < FEWEST_PIXELS:
            place: Place = (*WHERE, path)
            what = f"has {width} x {height} pixels, too few to show a look"
            yield Finding.of("error", place, what, f"take pictures of {SMALL} and more to a side")
            continue
        sizes[path] = (width, height)
        thumbnails[path] = interpolate(picture[None], size=(THUMBNAIL, THUMBNAIL), mode="area")[0]


def _copies(thumbnails: dict[Path, torch.Tensor]) -> Iterator[tuple[Path, Path]]:
    """Every picture that is the same as an earlier one, and that one."""
    firsts: dict[Path, torch.Tensor] = {}
    for path, thumbnail in thumbnails.items():
        first = next((one for one, other in firsts.items() if float((other - thumbnail).abs().max()) <= SAME), None)
        if first is None:
            firsts[path] = thumbnail
        else:
            yield path, first


def _count_findings(count: int, *, words: bool) -> Iterator[Finding]:
    """Too few pictures."""
    remedy = f"give {GOOD_REFERENCES} to 40 pictures of the target look, of different subjects"
    needed = 1 if words else FEWEST_REFERENCES
    if count < needed:
        yield Finding.of(
            "error",
            WHERE,
            f"{_picture_count(count)}, {needed} {'is' if needed == 1 else 'are'} needed",
            remedy if words else f"{remedy}; or 1 to 3 pictures, with the look in words (like)",
        )
    elif count < GOOD_REFERENCES:
        yield Finding.of("warning", WHERE, f"{_picture_count(count)} show little of a style", remedy)


def _picture_count(count: int) -> str:
    return {0: "there is no picture", 1: "there is 1 picture"}.get(count, counted(count, "picture"))


def _small(sizes: dict[Path, tuple[int, int]], shortest_side: int) -> Iterator[Finding]:
    """Pictures so small that colours and detail of all pictures are measured at their size."""
    small = {path: size for path, size in sizes.items() if min(size) < min(SMALL, shortest_side)}
    if small:
        listed = ", ".join(f"{path.name} ({width} x {height})" for path, (width, height) in small.items())
        what = f"of few pixels: {listed}; detail of all pictures is measured at the size of the smallest"
        yield Finding.of("warning", WHERE, what, "take larger ones")


def _passed_over(paths: Sequence[Path]) -> Iterator[Finding]:
    """What lies in the folders and is no picture here."""
    if not paths:
        return
    counts = Counter(map(_kind, paths))
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    pictures = any(path.suffix.lower() in OTHER_PICTURES or file_kind(path) == "folder" for path in paths)
    yield Finding.of(
        "warning" if pictures else "note",
        WHERE,
        f"passed over: {listed}",
        "save pictures as PNG, and name each folder of pictures, as a list: references = [...]" if pictures else "",
    )


def _kind(path: Path) -> str:
    kind = file_kind(path)
    if kind == "folder":
        return f"folder ({path.name})"
    if kind != "file":
        return kind or "link that leads nowhere"
    return path.suffix.removeprefix(".").upper() or "file without an ending"
