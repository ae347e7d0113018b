"""Which pictures are broken (not finite, black, half black, blank, clipped, noise, a grid, a blotch); never a score."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scorers.extraction.statistics import STATISTICS
from scorers.features import Features

VERSION = "2"
BROKEN_SHARE = 0.1  # of a recipe's pictures; more make it infeasible
NOT_FINITE = "not finite (NaN or infinite pixels)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond these a picture is broken. The defaults are widened to what the references themselves show.

    The defaults leave room to whatever shows something: of 28 photographs, drawings and textures (the samples that
    come with scikit-image and scikit-learn, as they are and as JPEG of quality 30), of 216 renders of the sample world
    and of its references they call broken what is pure black and white, a scan that is half pure black, and a colour
    wheel without an edge. Fine textures reduced to 96 pixels are noise by then, and called so. White noise measures
    ``hf_ratio`` .89 and ``log_lap_var`` 10.4 to 10.8 at every size; drawn scenes of 96 pixels .03 to .25 and 6.6 to
    8.9, other pictures of 512 pixels .01 to .14 and 5.2 to 7.6.

    Attributes:
        black: least maximum over the pixels.
        contrast: least ``rms_contrast``.
        clipped: greatest ``clip_frac``.
        fine: greatest ``hf_ratio``.
        rough: greatest ``log_lap_var``.
        smooth: least ``log_lap_var``.
        dark: greatest ``dark_frac``: a half that was never drawn is .5, night scenes are .0 to .3.
        grid: greatest ``grid``: pictures measure 0 to .01, what a failing decoder repeats .3 to 1.
        coherent: least ``coherence``: pictures measure .25 to 1, cells of random colours -.1 to .1. Such cells with
            soft borders measure .2 and pass.
    """

    black: float = 0.02
    contrast: float = 0.02
    clipped: float = 0.6
    fine: float = 0.5
    rough: float = 9.5
    smooth: float = 0.0
    dark: float = 0.4
    grid: float = 0.1
    coherent: float = 0.08

    @classmethod
    def around(cls, references: npt.NDArray[np.float32]) -> Limits:
        """Limits that no reference breaks, with some room; ``references`` is ``(n, k)`` statistics."""
        most = dict(zip(STATISTICS, references.max(0).tolist(), strict=True))
        least = dict(zip(STATISTICS, references.min(0).tolist(), strict=True))
        return cls(
            contrast=min(cls().contrast, 0.5 * least["rms_contrast"]),
            clipped=max(cls().clipped, min(0.99, most["clip_frac"] + 0.1)),
            fine=max(cls().fine, min(0.8, 1.2 * most["hf_ratio"])),
            rough=max(cls().rough, min(10.3, most["log_lap_var"] + 0.5)),
            smooth=min(cls().smooth, least["log_lap_var"] - 1),
            dark=max(cls().dark, most["dark_frac"] + 0.1),
            grid=max(cls().grid, 2 * most["grid"]),
            coherent=min(cls().coherent, least["coherence"] - 0.1),
        )


def blank(statistics: npt.NDArray[np.float32], brightest: float) -> str:
    """Why a picture shows nothing at all, or ""; the only test that reference pictures have to pass."""
    limits = Limits()
    if brightest < limits.black:
        return f"black (brightest pixel {brightest:.3f})"
    contrast = float(statistics[STATISTICS.index("rms_contrast")])
    return f"blank (contrast {contrast:.4f}, one colour all over)" if contrast < 1e-3 else ""


def reason(statistics: npt.NDArray[np.float32], brightest: float, limits: Limits) -> str:
    """Why one finite picture is broken, with the measured value, or "".

    Args:
        statistics: ``(k,)``, of the picture.
        brightest: maximum over its pixels.
        limits: of the panel.
    """
    value = dict(zip(STATISTICS, statistics.tolist(), strict=True))
    tests = (
        (brightest < limits.black, f"black (brightest pixel {brightest:.3f})"),
        (value["grid"] > limits.grid, f"a grid ({value['grid']:.0%} of the contrast repeats every 8 pixels)"),
        (value["rms_contrast"] < limits.contrast, f"blank (contrast {value['rms_contrast']:.3f})"),
        (value["clip_frac"] > limits.clipped, f"clipped ({value['clip_frac']:.0%} pure black or white)"),
        (value["dark_frac"] > limits.dark, f"partly black ({value['dark_frac']:.0%} pure black)"),
        (value["hf_ratio"] > limits.fine, f"noise ({value['hf_ratio']:.0%} of the energy in single pixels)"),
        (value["log_lap_var"] > limits.rough, f"noise (log Laplacian variance {value['log_lap_var']:.1f})"),
        (value["coherence"] < limits.coherent, f"noise (neighbouring cells correlate by {value['coherence']:.2f})"),
        (value["log_lap_var"] < limits.smooth, f"a blotch (log Laplacian variance {value['log_lap_var']:.1f})"),
    )
    return next((words for fails, words in tests if fails), "")


def marked(features: Features, limits: Limits | None) -> Features:
    """Features with the reasons of broken pictures; without limits, of those that show nothing at all."""
    rows = zip(features.statistics, features.brightest.tolist(), strict=True)
    reasons = (
        NOT_FINITE if np.isnan(b) else (blank(s, b) if limits is None else reason(s, b, limits)) for s, b in rows
    )
    return replace(features, broken=tuple(reasons))


def infeasible(features: Features) -> tuple[str, ...]:
    """Why a recipe cannot be scored: any picture that is not finite, or too many that are broken; () if it can."""
    broken = [(slot, why) for slot, why in zip(features.slots, features.broken, strict=True) if why]
    if len(features) and len(broken) <= BROKEN_SHARE * len(features) and all(why != NOT_FINITE for _, why in broken):
        return ()
    if not len(features):
        return ("there are no pictures",)
    head = f"{len(broken)} of {len(features)} pictures broken"
    return (head, *(f"seed {seed}, {prompt[:40]!r}: {why}" for (prompt, seed), why in broken))
