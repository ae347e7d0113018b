"""From pictures to features: everything that scores need is computed here, once; nothing reads the pictures again."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scorers.base import ImageScorer, Values, checked_values
from scorers.encoders.opened import Encoders
from scorers.encoders.side import attempted
from scorers.errors import ScorerError, ScorerWarning
from scorers.extraction import dhash, guards
from scorers.extraction.statistics import VERSION as STATISTICS_VERSION
from scorers.extraction.statistics import measure
from scorers.features import EMBEDDING, READING, STATISTICS, Features

_Number = TypeVar("_Number", np.float32, np.float64)


class Observer:
    """Turns pictures into features.

    Attributes:
        size: short side at which statistics are measured, in pixels.
        versions: the version of whatever computes each embedding, each reading and the statistics, by name.
        widths: the number of dimensions of each embedding, by name.
        device: where the encoders run.
    """

    def __init__(
        self, encoders: Encoders, embeddings: Sequence[str], image_scorers: Sequence[ImageScorer], size: int
    ) -> None:
        """``embeddings`` are the names of the ones to compute, ``image_scorers`` the scorers that read the pictures."""
        self._encoders = encoders
        self._embeddings = tuple(embeddings)
        self._image_scorers = tuple(image_scorers)
        self.size = size
        self.versions: Mapping[str, str] = {
            **encoders.versions(self._embeddings),
            **{READING + scorer.name: scorer.version for scorer in self._image_scorers},
            STATISTICS: f"{STATISTICS_VERSION}, {size} px, hash {dhash.VERSION}",
        }
        self.widths: Mapping[str, int] = encoders.widths(self._embeddings)
        self.device = encoders.device
        self._in_main_memory = False

    def only(self, names: Collection[str]) -> Observer:
        """Return an observer of the statistics, and of those embeddings and readings that ``names`` has.

        Args:
            names: as in ``versions``.
        """
        embeddings = [name for name in self._embeddings if EMBEDDING + name in names]
        image_scorers = [scorer for scorer in self._image_scorers if READING + scorer.name in names]
        return Observer(self._encoders, embeddings, image_scorers, self.size)

    def see(
        self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int], limits: guards.Limits | None = None
    ) -> Features:
        """Compute the features of pictures.

        Args:
            images: ``[n, 3, h, w]`` float in 0..1, on any device.
            prompts: the pictures' prompts.
            seeds: the pictures' seeds.
            limits: beyond which a picture is broken; with None, only pictures that show nothing at all are.

        Where memory of the device runs out, encoders make room; if that is not enough, pictures are measured in main
        memory, now and from then on.

        Raises:
            ScorerError: wrong shapes or range, a prompt and seed given twice, a scorer that reads the pictures failed,
                or nothing is enough.
        """
        for make_room in (lambda: 0, self.park, self._leave_device):
            make_room()
            if seen := attempted(lambda: self._seen(images, prompts, seeds)):
                return guards.marked(seen[0], limits)
        raise ScorerError("the device has too little memory for these pictures", remedy="close other programs")

    def _leave_device(self) -> None:
        self._in_main_memory = True

    def _seen(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Features:
        images = images.cpu() if self._in_main_memory else images
        self._check(images, prompts, seeds)
        finite = images.isfinite().flatten(1).all(1)
        safe = torch.where(finite[:, None, None, None], images, 0.0).float().clamp(0, 1)
        not_finite = ~finite.cpu().numpy()
        return Features(
            embeddings={k: _without(v, not_finite) for k, v in self._encoders.embed(safe, self._embeddings).items()},
            statistics=_without(self._measured(safe), not_finite),
            brightest=_without(safe.flatten(1).amax(1).cpu().numpy(), not_finite),
            dhash=dhash.difference_hashes(safe),
            readings={
                scorer.name: _without(self._reading(scorer, safe, prompts), not_finite)
                for scorer in self._image_scorers
            },
            broken=("",) * len(images),
            prompts=tuple(prompts),
            seeds=tuple(int(seed) for seed in seeds),
            versions=self.versions,
        )

    def _reading(self, scorer: ImageScorer, images: Tensor, prompts: Sequence[str]) -> Values:
        return checked_values(scorer.name, lambda: scorer.look(images, prompts), len(images))

    def park(self) -> int:
        """Have the encoders wait in main memory until they are needed; return the bytes that the device has more."""
        return self._encoders.park()

    def wait_on_host(self) -> int:
        """Have the encoders wait in main memory whenever they are not at work, from now on; bytes as ``park``."""
        return self._encoders.wait_on_host()

    @torch.inference_mode()
    def _measured(self, images: Tensor) -> npt.NDArray[np.float32]:
        return measure(images, self.size).cpu().numpy()

    def _check(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> None:
        shape = tuple(images.shape)
        if len(shape) != 4 or shape[1] != 3 or not images.is_floating_point() or shape[0] == 0:
            raise ScorerError(f"pictures must be float [n, 3, h, w] with n > 0, not {images.dtype} {shape}")
        if not shape[0] == len(prompts) == len(seeds):
            raise ScorerError(
                f"{shape[0]} pictures, {len(prompts)} prompts, {len(seeds)} seeds",
                remedy="give one of each per picture",
            )
        repeated = [slot for slot, count in Counter(zip(prompts, seeds, strict=True)).items() if count > 1]
        if repeated:
            raise ScorerError(
                f"two pictures of one slot, prompt {repeated[0][0]!r} and seed {repeated[0][1]}",
                remedy="give other seeds",
            )
        low, high = float(images.nan_to_num(0.5, 0.5, 0.5).min()), float(images.nan_to_num(0.5, 0.5, 0.5).max())
        if low < -0.01 or high > 1.01:
            raise ScorerError(f"pictures must lie in 0..1, not {low:.3g}..{high:.3g}")
        if min(shape[2:]) < self.size:
            warnings.warn(
                f"pictures of {min(shape[2:])} px are enlarged to {self.size} px for the statistics, which then see "
                "too little detail; give render_size in the panel's settings",
                ScorerWarning,
                stacklevel=7,
            )


def _without(values: npt.NDArray[_Number], not_finite: npt.NDArray[np.bool_]) -> npt.NDArray[_Number]:
    """The values with NaN for pictures that are not finite."""
    values[not_finite] = np.nan
    return values
