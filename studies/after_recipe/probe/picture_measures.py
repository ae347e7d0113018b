"""What is measured of pictures: as numbers that have a sign, or as distances between two pictures.

Distances come as inner products: of vectors ``v`` of all recipes' pictures of one shot, ``G[i, j] = v_i . v_j``. For
weights ``w`` that come to 0 the length of ``sum w_i v_i`` is ``sqrt(w G w)``: so the effect of any design on a whole
picture costs no more than that on a number.

Lightness and colours are those of CIELAB (CIE 15, white D65) of sRGB pictures (IEC 61966-2-1); luma is that of the
statistics, Y = .299 R + .587 G + .114 B. An 8-bit step is 1/255 of the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.drawing.sheets import RgbPicture

Numbers = npt.NDArray[np.float64]
"""Numbers of recipes: ``(recipes,)``, ``(recipes, shots)``, or inner products ``(recipes, recipes)``."""
STEPS = "8-bit steps"
"""Unit of brightness of a single channel."""
CELLS = 8
"""Cells along the short side of a picture, whose mean luma is its composition."""
STRIP = 1 << 22
"""Numbers of a picture's vectors that are multiplied at once, to bound memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is measured of pictures."""

    name: str
    unit: str
    signed: bool
    meaning: str
    """For people, half a sentence."""


MEASURES: tuple[Measure, ...] = (
    Measure(name="pixels", unit=STEPS, signed=False, meaning="how far the picture moves, all in all"),
    Measure(name="style", unit="objective", signed=True, meaning="the study's objective"),
    Measure(name="fidelity", unit="cosine", signed=True, meaning="how well the picture shows its prompt"),
    Measure(name="colour", unit="Lab", signed=False, meaning="distance of the mean colours, without lightness"),
    Measure(name="warmth", unit=STEPS, signed=True, meaning="red over blue"),
    Measure(name="saturation", unit=STEPS, signed=True, meaning="how strong colours are"),
    Measure(name="contrast", unit=STEPS, signed=True, meaning="spread of light and dark"),
    Measure(name="brightness", unit=STEPS, signed=True, meaning="mean luma"),
    Measure(name="detail", unit=STEPS, signed=True, meaning="strength of what is finer than two pixels"),
    Measure(name="composition", unit=STEPS, signed=False, meaning="where it is light and dark, on 8 cells a side"),
)
"""All of them, in the order of the columns."""
DISTANCES = tuple(measure.name for measure in MEASURES if not measure.signed)
"""Names of those that are distances."""


def statistic_measures(statistics: npt.NDArray[np.float32]) -> dict[str, Numbers]:
    """The signed measures that follow from a recipe's statistics, ``(shots,)`` by name.

    Args:
        statistics: ``(shots, columns)`` as `scorers.extraction.statistics` gives them.
    """
    from scorers.extraction.statistics import STATISTICS

    column = {name: statistics[:, place].astype(np.float64) for place, name in enumerate(STATISTICS)}
    fine = np.sqrt(np.maximum(column["hf_ratio"], 0.0)) * column["rms_contrast"]
    return {
        "warmth": 255 * column["warmth"],
        "saturation": 255 * column["chroma"],
        "contrast": 255 * column["rms_contrast"],
        "brightness": 255 * column["brightness"],
        "detail": 255 * fine,
    }


def inner_products(pictures: Sequence[RgbPicture]) -> Mapping[str, Numbers]:
    """Inner products of the vectors of each distance, ``(recipes, recipes)`` by name.

    Vectors are differences from the first picture, so that small differences keep their digits.

    Args:
        pictures: of one shot, of one size, one for each recipe.
    """
    pixels = np.stack(pictures).reshape(len(pictures), -1)
    colours = np.array([mean_colour(picture) for picture in pictures])
    layouts = np.array([layout(picture) for picture in pictures])
    return {
        "pixels": _products(pixels) / pixels.shape[1],
        "colour": _products(colours),
        "composition": _products(layouts) / layouts.shape[1],
    }


def length(weights: Numbers, products: Numbers) -> Numbers:
    """Length of weighted sums of vectors, ``(rows,)``; NaN where the weights are.

    Args:
        weights: ``(rows, recipes)``, each row coming to 0.
        products: ``(recipes, recipes)``.
    """
    return np.sqrt(np.maximum(np.einsum("ri,ij,rj->r", weights, products, weights), 0.0))


def _products(vectors: npt.NDArray[np.uint8] | Numbers) -> Numbers:
    count, length_ = vectors.shape
    found = np.zeros((count, count))
    step = max(1, STRIP // count)
    for start in range(0, length_, step):
        strip = vectors[:, start : start + step].astype(np.float64)
        strip -= strip[:1].copy()
        found += strip @ strip.T
    return found


def mean_colour(picture: RgbPicture) -> Numbers:
    """The mean a* and b* of a picture, ``(2,)``."""
    lab = lab_of(picture)
    return lab[..., 1:].reshape(-1, 2).mean(0)


def layout(picture: RgbPicture) -> Numbers:
    """The mean luma of cells, `CELLS` along the short side, less the mean of all, in 8-bit steps; flat."""
    from PIL import Image

    height, width = picture.shape[:2]
    short = min(height, width)
    rows, columns = (max(1, round(CELLS * side / short)) for side in (height, width))
    luma = Image.fromarray((picture @ np.array([0.299, 0.587, 0.114])).astype(np.float32))
    cells = np.asarray(luma.resize((columns, rows), Image.Resampling.BOX), dtype=np.float64).ravel()
    return cells - cells.mean()


def lab_of(picture: RgbPicture) -> Numbers:
    """A picture in CIELAB, ``(height, width, 3)``: L* of 0..100, a*, b*."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # of linear sRGB
    xyz = linear[picture] @ (to_xyz / to_xyz.sum(1, keepdims=True)).T
    edge = 6 / 29
    curved = np.where(xyz > edge**3, np.cbrt(xyz), xyz / (3 * edge**2) + 4 / 29)
    x, y, z = np.moveaxis(curved, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
