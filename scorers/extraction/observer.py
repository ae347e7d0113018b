"""Looking at pictures once: whatever scores need of them is taken here, and nothing asks for the pictures again."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scorers.base import Looking, Values, said
from scorers.encoders.opened import Encoders
from scorers.errors import ScorerError, ScorerWarning
from scorers.extraction import dhash, guards
from scorers.extraction.statistics import VERSION as STATISTICS_VERSION
from scorers.extraction.statistics import measure
from scorers.features import READING, STATISTICS, Features

_Number = TypeVar("_Number", np.float32, np.float64)


class Observer:
    """Turns pictures into features.

    Attributes:
        size: short side at which statistics are measured, in pixels.
        wanted: every embedding, reading and the statistics, with the version that makes it.
    """

    def __init__(self, encoders: Encoders, embeddings: Sequence[str], looking: Sequence[Looking], size: int) -> None:
        """``embeddings`` are the names of those that are taken, ``looking`` the scorers that see the pictures."""
        self._encoders = encoders
        self._embeddings = tuple(embeddings)
        self._looking = tuple(looking)
        self.size = size
        self.wanted: Mapping[str, str] = {
            **encoders.versions(self._embeddings),
            **{READING + scorer.name: scorer.version for scorer in self._looking},
            STATISTICS: f"{STATISTICS_VERSION}, {size} px, hash {dhash.VERSION}",
        }

    def see(
        self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int], limits: guards.Limits | None = None
    ) -> Features:
        """Look at pictures.

        Args:
            images: ``[n, 3, h, w]`` float in 0..1, on any device.
            prompts: of the pictures.
            seeds: of the pictures.
            limits: beyond which a picture is broken; None looks only whether it shows anything at all.

        Raises:
            ScorerError: wrong shapes or range, a prompt and seed given twice, or a scorer that looks at the pictures
                failed.
        """
        self._check(images, prompts, seeds)
        finite = images.isfinite().flatten(1).all(1)
        safe = torch.where(finite[:, None, None, None], images, 0.0).float().clamp(0, 1)
        lost = ~finite.cpu().numpy()
        features = Features(
            embeddings={k: _without(v, lost) for k, v in self._encoders.embed(safe, self._embeddings).items()},
            statistics=_without(self._measured(safe), lost),
            brightest=_without(safe.flatten(1).amax(1).cpu().numpy(), lost),
            dhash=dhash.difference_hashes(safe),
            readings={scorer.name: _without(self._reading(scorer, safe, prompts), lost) for scorer in self._looking},
            broken=("",) * len(images),
            prompts=tuple(prompts),
            seeds=tuple(int(seed) for seed in seeds),
            versions=self.wanted,
        )
        return guards.marked(features, limits)

    def _reading(self, scorer: Looking, images: Tensor, prompts: Sequence[str]) -> Values:
        return said(scorer.name, lambda: scorer.look(images, prompts), len(images))

    def trace(self, images: Tensor, embedding: str) -> Tensor:
        """One embedding of finite pictures, ``[n, d]`` unit vectors, with gradients to the pictures.

        Raises:
            ScorerError: no such embedding is taken.
        """
        return self._encoders.trace(images, embedding)

    @torch.inference_mode()
    def _measured(self, images: Tensor) -> npt.NDArray[np.float32]:
        return measure(images, self.size).cpu().numpy()

    def _check(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> None:
        shape = tuple(images.shape)
        if len(shape) != 4 or shape[1] != 3 or not images.is_floating_point() or shape[0] == 0:
            raise ScorerError(f"pictures must be float [n, 3, h, w] with n > 0, not {images.dtype} {shape}")
        if not shape[0] == len(prompts) == len(seeds):
            raise ScorerError(
                f"{shape[0]} pictures, {len(prompts)} prompts, {len(seeds)} seeds", remedy="one of each is wanted"
            )
        twice = [slot for slot, count in Counter(zip(prompts, seeds, strict=True)).items() if count > 1]
        if twice:
            raise ScorerError(
                f"two pictures of one slot, prompt {twice[0][0]!r} and seed {twice[0][1]}", remedy="give other seeds"
            )
        low, high = float(images.nan_to_num(0.5, 0.5, 0.5).min()), float(images.nan_to_num(0.5, 0.5, 0.5).max())
        if low < -0.01 or high > 1.01:
            raise ScorerError(f"pictures must lie in 0..1, not {low:.3g}..{high:.3g}")
        if min(shape[2:]) < self.size:
            warnings.warn(
                f"pictures of {min(shape[2:])} px are enlarged to {self.size} px for the statistics, which then see "
                "too little detail; give render_size in the panel's settings",
                ScorerWarning,
                stacklevel=4,
            )


def _without(values: npt.NDArray[_Number], lost: npt.NDArray[np.bool_]) -> npt.NDArray[_Number]:
    """The values with NaN for pictures that are not finite."""
    values[lost] = np.nan
    return values
