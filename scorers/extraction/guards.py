"""Which pictures are broken: not finite, black, half black, blank, clipped, noise, a grid, a blotch; never a score."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.errors import counted
from scorers.extraction.statistics import STATISTICS
from scorers.features import Features

VERSION = "2"
"""Version of the limits and tests; part of the panel's version."""
BROKEN_SHARE = 0.1
"""The greatest share of broken pictures that a feasible recipe may have."""
NOT_FINITE = "not finite (NaN or infinite pixels)"
"""The reason of a picture that makes its recipe infeasible by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of statistics beyond which a picture is broken; the defaults are widened to what the references show.

    The defaults accept nearly everything that shows something. Tried were 28 photographs, drawings and textures (the
    samples that come with scikit-image and scikit-learn, as they are and as JPEG of quality 30), 216 renders of the
    sample world and its references. Rejected were pure black and white, a scan that is half pure black, and a colour
    wheel without an edge. Fine textures reduced to 96 pixels have become noise, and count as that. White noise measures
    ``hf_ratio`` .89 and ``log_lap_var`` 10.4 to 10.8 at every size; drawn scenes of 96 pixels .03 to .25 and 6.6 to
    8.9, other pictures of 512 pixels .01 to .14 and 5.2 to 7.6.

    Attributes:
        min_brightest: least maximum over the pixels.
        min_contrast: least ``rms_contrast``.
        max_clipped: greatest ``clip_frac``.
        max_hf_ratio: greatest ``hf_ratio``.
        max_log_lap_var: greatest ``log_lap_var``.
        min_log_lap_var: least ``log_lap_var``.
        max_dark: greatest ``dark_frac``: a half that was never drawn is .5, night scenes are .0 to .3.
        max_grid: greatest ``grid``: pictures measure 0 to .01, what a failing decoder repeats .3 to 1.
        min_coherence: least ``coherence``: pictures measure .25 to 1, cells of random colours -.1 to .1. Such cells
            with soft borders measure .2 and pass.
    """

    min_brightest: float = 0.02
    min_contrast: float = 0.02
    max_clipped: float = 0.6
    max_hf_ratio: float = 0.5
    max_log_lap_var: float = 9.5
    min_log_lap_var: float = 0.0
    max_dark: float = 0.4
    max_grid: float = 0.1
    min_coherence: float = 0.08

    @classmethod
    def around(cls, references: npt.NDArray[np.float32]) -> Limits:
        """Limits that all references keep, with some margin; ``references`` are their statistics, ``(n, k)``."""
        most = dict(zip(STATISTICS, references.max(0).tolist(), strict=True))
        least = dict(zip(STATISTICS, references.min(0).tolist(), strict=True))
        return cls(
            min_contrast=min(cls().min_contrast, 0.5 * least["rms_contrast"]),
            max_clipped=max(cls().max_clipped, min(0.99, most["clip_frac"] + 0.1)),
            max_hf_ratio=max(cls().max_hf_ratio, min(0.8, 1.2 * most["hf_ratio"])),
            max_log_lap_var=max(cls().max_log_lap_var, min(10.3, most["log_lap_var"] + 0.5)),
            min_log_lap_var=min(cls().min_log_lap_var, least["log_lap_var"] - 1),
            max_dark=max(cls().max_dark, most["dark_frac"] + 0.1),
            max_grid=max(cls().max_grid, 2 * most["grid"]),
            min_coherence=min(cls().min_coherence, least["coherence"] - 0.1),
        )


def blank(statistics: npt.NDArray[np.float32], brightest: float) -> str:
    """Why a picture shows nothing at all, or ""; the only test that reference pictures have to pass."""
    limits = Limits()
    if brightest < limits.min_brightest:
        return f"black (brightest pixel {brightest:.3f})"
    contrast = float(statistics[STATISTICS.index("rms_contrast")])
    return f"blank (contrast {contrast:.4f}, one colour all over)" if contrast < 1e-3 else ""


def reason(statistics: npt.NDArray[np.float32], brightest: float, limits: Limits) -> str:
    """Why one finite picture is broken, with the measured value, or "".

    Args:
        statistics: the picture's, ``(k,)``.
        brightest: maximum over its pixels.
        limits: the panel's.
    """
    value = dict(zip(STATISTICS, statistics.tolist(), strict=True))
    detail, roughness = value["hf_ratio"], value["log_lap_var"]
    tests = (
        (brightest < limits.min_brightest, f"black (brightest pixel {brightest:.3f})"),
        (value["grid"] > limits.max_grid, f"a grid ({value['grid']:.0%} of the contrast repeats every 8 pixels)"),
        (value["rms_contrast"] < limits.min_contrast, f"blank (contrast {value['rms_contrast']:.3f})"),
        (value["clip_frac"] > limits.max_clipped, f"clipped ({value['clip_frac']:.0%} pure black or white)"),
        (value["dark_frac"] > limits.max_dark, f"partly black ({value['dark_frac']:.0%} pure black)"),
        (detail > limits.max_hf_ratio, f"noise ({detail:.0%} of the energy in single pixels)"),
        (roughness > limits.max_log_lap_var, f"noise (log Laplacian variance {roughness:.1f})"),
        (
            value["coherence"] < limits.min_coherence,
            f"noise (neighbouring cells correlate by {value['coherence']:.2f})",
        ),
        (roughness < limits.min_log_lap_var, f"a blotch (log Laplacian variance {roughness:.1f})"),
    )
    return next((words for fails, words in tests if fails), "")


def marked(features: Features, limits: Limits | None) -> Features:
    """Features with the reasons why pictures are broken; without limits, only of those that show nothing at all."""
    rows = zip(features.statistics, features.brightest.tolist(), strict=True)
    reasons = (
        NOT_FINITE if np.isnan(b) else (blank(s, b) if limits is None else reason(s, b, limits)) for s, b in rows
    )
    return replace(features, broken=tuple(reasons))


def infeasible(features: Features) -> tuple[str, ...]:
    """Why a recipe cannot be scored: a picture is not finite, or too many are broken; () if it can be scored."""
    broken = [(slot, why) for slot, why in zip(features.slots, features.broken, strict=True) if why]
    if len(features) and len(broken) <= BROKEN_SHARE * len(features) and all(why != NOT_FINITE for _, why in broken):
        return ()
    if not len(features):
        return ("there are no pictures",)
    head = f"{len(broken)} of {counted(len(features), 'picture')} broken"
    return (head, *(f"seed {seed}, {prompt[:40]!r}: {why}" for (prompt, seed), why in broken))
