"""The style score on renders of the sample world: where it peaks, how noisy it is, what perturbations do to it.

By hand: ``python -m tests.benchmarks.scorers.bench_style [--kept] [--plot FILE]``, or with ``make bench``. Everything
is rendered anew, about 90 s of one core; ``--kept`` takes the features that are stored beside the tests and leaves out
the perturbations, which need pictures.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from scorers.base import Calibration, Scorer
from scorers.encoders.preprocess import resize_exact
from scorers.extraction.observer import Observer
from scorers.features import Features
from scorers.reporting.leak import agreement
from scorers.reporting.mmd import cmmd, polynomial_mmd
from scorers.reporting.separation import separation
from scorers.scoring.readouts import Margin, Projection
from scorers.scoring.style import Style
from tests.scorers.sample_sweep import (
    CALIBRATION,
    PLANTED,
    RATIOS,
    SHOTS,
    Render,
    Sweep,
    kept,
    rendered,
    seen,
    shots,
    studio,
)

pytestmark = pytest.mark.benchmark

ALL = np.arange(SHOTS)
DRAWS = 20
COUNTS = (8, 16, 24, 32, 48)
SCORERS: dict[str, Callable[[], Scorer]] = {
    "style": lambda: Style("clip"),
    "lda": lambda: Projection("clip"),
    "margin": lambda: Margin("clip"),
}


class Cosine:
    """Raw cosine to the mean reference, to compare with."""

    name, version, needs, degree = "cosine", "1", frozenset[str](), 1

    def fit(self, calibration: Calibration) -> None:
        """Keep the mean."""
        self.mean = calibration.references.embedding("clip").mean(0)

    def __call__(self, features: Features) -> np.ndarray:
        """Dot products."""
        return (features.embedding("clip") @ self.mean).astype(np.float64)


SCORERS["raw cosine"] = Cosine


def values(scorer: Scorer, sweep: Sweep, planted: float, rows: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The score of every ratio."""
    scorer.fit(sweep.calibration(planted, rows, references))
    return np.array([scorer(sweep.mixes[ratio].take(rows)).mean() for ratio in RATIOS])


def peaks(sweep: Sweep) -> list[str]:
    """The best ratio of every read-out, 48 pictures and 48 references."""
    lines = ["best FLAT ratio      planted " + " ".join(f"{planted:5.2f}" for planted in PLANTED)]
    rows = {
        name: [RATIOS[int(np.argmax(values(make(), sweep, p, ALL, ALL)))] for p in PLANTED]
        for name, make in SCORERS.items()
    }
    for name, measure in (("unbiased CMMD", cmmd), ("polynomial MMD", polynomial_mmd)):
        rows[name] = [
            RATIOS[
                int(
                    np.argmin(
                        [
                            measure(sweep.mixes[r].embedding("clip"), sweep.references[p].embedding("clip"))
                            for r in RATIOS
                        ]
                    )
                )
            ]
            for p in PLANTED
        ]
    return lines + [f"{name:28} " + " ".join(f"{ratio:5.2f}" for ratio in best) for name, best in rows.items()]


def errors(sweep: Sweep, make: Callable[[], Scorer], pictures: int, references: int) -> np.ndarray:
    """Best ratio minus planted ratio, over draws of pictures and references."""
    draw = np.random.default_rng(0)
    found: list[float] = []
    for _ in range(DRAWS):
        rows, shown = draw.permutation(SHOTS)[:pictures], draw.permutation(SHOTS)[:references]
        found += [RATIOS[int(np.argmax(values(make(), sweep, p, rows, shown)))] - p for p in PLANTED]
    return np.array(found)


def rms(found: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(found**2)))


def noise(sweep: Sweep) -> tuple[list[str], np.ndarray]:
    """RMS error of the best ratio by number of pictures and references, as lines and ``(pictures, references)``."""
    table = np.array([[rms(errors(sweep, SCORERS["style"], n, m)) for m in COUNTS] for n in COUNTS])
    lines = ["rms error of the best ratio, references across " + " ".join(f"{m:5d}" for m in COUNTS)]
    lines += [
        f"{n:3d} pictures" + " " * 36 + " ".join(f"{e:5.3f}" for e in row) for n, row in zip(COUNTS, table, strict=True)
    ]
    return lines, table


def looks_compared(sweep: Sweep) -> list[str]:
    """What the statistics beside the embedding are worth."""
    lines = ["rms error of the best ratio, pictures and references  48/48 24/48 16/16  8/16"]
    for name, what, make in (
        ("style, embedding and statistics", sweep, SCORERS["style"]),
        ("style, embedding alone", sweep.without_statistics(), SCORERS["style"]),
        ("lda", sweep, SCORERS["lda"]),
        ("margin", sweep, SCORERS["margin"]),
        ("raw cosine", sweep, SCORERS["raw cosine"]),
    ):
        found = [rms(errors(what, make, n, m)) for n, m in ((48, 48), (24, 48), (16, 16), (8, 16))]
        lines.append(f"{name:52} " + " ".join(f"{error:5.3f}" for error in found))
    return lines


def told_apart(sweep: Sweep) -> list[str]:
    """How well single references are told from the calibration recipes' pictures."""
    lines = ["AUC of references against      " + " ".join(f"{label:>7}" for label in CALIBRATION)]
    for planted in PLANTED:
        areas = separation(sweep.calibration(planted, ALL, ALL), "clip").areas
        lines.append(f"planted {planted:4.2f}                   " + " ".join(f"{area:7.2f}" for area in areas.values()))
    return lines


def _jpeg(pictures: torch.Tensor) -> torch.Tensor:
    out: list[torch.Tensor] = []
    for picture in (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy():
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "JPEG", quality=90)
        out.append(torch.from_numpy(np.asarray(Image.open(data)).copy()))
    return torch.stack(out).permute(0, 3, 1, 2).float() / 255


def _cropped(pictures: torch.Tensor) -> torch.Tensor:
    height, width = pictures.shape[-2:]
    top, left = round(0.05 * height), round(0.05 * width)
    return resize_exact(pictures[..., top : height - top, left : width - left], height, width)


PERTURBED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "as rendered": lambda pictures: pictures,
    "0.9 crop": _cropped,
    "JPEG 90": _jpeg,
    "flip": lambda pictures: pictures.flip(-1),
}


def perturbations(sweep: Sweep, render: Render, observer: Observer) -> list[str]:
    """Rank correlation of perturbed renders' scores with the plain ones, and the best ratio; references untouched."""
    pictures = {ratio: render(ratio, shots()) for ratio in RATIOS}
    lines = ["perturbed renders, planted         " + "  ".join(f"{planted:10.2f}" for planted in PLANTED)]
    for name, change in PERTURBED.items():
        changed = {ratio: seen(observer, change(images), shots()) for ratio, images in pictures.items()}
        cells: list[str] = []
        for planted in PLANTED:
            style = Style("clip")
            style.fit(sweep.calibration(planted, ALL, ALL))
            plain = [style(sweep.mixes[ratio]).mean() for ratio in RATIOS]
            moved = [style(changed[ratio]).mean() for ratio in RATIOS]
            cells.append(f"{agreement(plain, moved):+.2f} {RATIOS[int(np.argmax(moved))]:5.2f}")
        lines.append(f"{name:34} " + "  ".join(cells))
    return lines


def plot(table: np.ndarray, sweep: Sweep, path: Path) -> None:
    """Two panels: the score over the FLAT line for every planted ratio, and the error by number of references."""
    picture = Image.new("RGB", (760, 300), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    curves = {f"{p}": values(Style("clip"), sweep, p, ALL, ALL) for p in PLANTED}
    spans = {name: (curve - curve.min()) / (curve.max() - curve.min()) for name, curve in curves.items()}
    axes = _axes(pen, font, (50, 30, 360, 250), "score over FLAT (scaled), by planted ratio", (0, 1), (0, 1.2))
    _lines(
        pen, font, axes, [(r, s) for r, s in zip(RATIOS, zip(*spans.values(), strict=True), strict=True)], list(spans)
    )
    top = 0.05 * np.ceil(1.2 * table.max() / 0.05)
    axes = _axes(pen, font, (420, 30, 730, 250), "rms error of the ratio, by references", (0, 48), (0, top))
    _lines(pen, font, axes, list(zip(COUNTS, table.T, strict=True)), [f"{n} pict." for n in COUNTS])
    picture.save(path, optimize=True)


Box = tuple[int, int, int, int]
Axes = Callable[[float, float], tuple[float, float]]
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#3ca951", "#9c6b4e")


def _axes(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    box: Box,
    title: str,
    x: tuple[float, float],
    y: tuple[float, float],
) -> Axes:
    left, top, right, bottom = box
    pen.text((left, top - 22), title, "black", font=font)
    pen.line([(left, top), (left, bottom), (right, bottom)], "black")

    def at(a: float, b: float) -> tuple[float, float]:
        return left + (a - x[0]) / (x[1] - x[0]) * (right - left), bottom - (b - y[0]) / (y[1] - y[0]) * (bottom - top)

    for share in (0, 0.25, 0.5, 0.75, 1):
        a, b = x[0] + share * (x[1] - x[0]), y[0] + share * (y[1] - y[0])
        pen.text((at(a, 0)[0] - 8, bottom + 6), f"{a:.3g}", "black", font=font)
        pen.text((left - 36, at(0, b)[1] - 7), f"{b:.2f}", "black", font=font)
    return at


def _lines(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    at: Axes,
    points: list[tuple[float, tuple[float, ...]]],
    names: list[str],
) -> None:
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        pen.line([at(x, ys[number]) for x, ys in points], colour, 2)
        pen.text((at(0, 0)[0] + 8 + 62 * number, 34), name, colour, font=font)


def report(sweep: Sweep, picture: Path | None) -> list[str]:
    """Every table that needs no pictures."""
    lines, table = noise(sweep)
    if picture is not None:
        plot(table, sweep, picture)
    return [*peaks(sweep), "", *looks_compared(sweep), "", *lines, "", *told_apart(sweep)]


def test_style(tmp_path: Path) -> None:
    """Render anew, measure, print."""
    with studio() as (render, observer):
        sweep = rendered(render, observer)
        lines = perturbations(sweep, render, observer)
    print("\n" + "\n".join([*report(sweep, tmp_path / "style.png"), "", *lines]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kept", action="store_true", help="take the stored features")
    parser.add_argument("--plot", type=Path, help="write the plot here, as PNG")
    given = parser.parse_args()
    if given.kept:
        print("\n".join(report(kept(), given.plot)))
        return
    with studio() as (render, observer):
        sweep = rendered(render, observer)
        lines = perturbations(sweep, render, observer)
    print("\n".join([*report(sweep, given.plot), "", *lines]))


if __name__ == "__main__":
    main()
