"""The encoders of a panel, by name: every picture goes through each of them once, whoever asks for the embedding.

An embedding is named after its encoder, ``clip-l``, or after one of the encoder's views, ``csd/content``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.errors import Named, Problems
from scorers.catalogue.sources import EncoderFiles
from scorers.encoders.encoder import Encoder
from scorers.errors import ScorerError
from scorers.features import EMBEDDING


class Encoders:
    """Opened encoders by name."""

    def __init__(self, opened: Mapping[str, Encoder]) -> None:
        self._opened = dict(opened)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the opened encoders."""
        return tuple(self._opened)

    @classmethod
    def open(
        cls,
        files: Mapping[str, EncoderFiles],
        device: str | torch.device = "cpu",
        prompted: Collection[str] | None = None,
    ) -> Encoders:
        """Open all.

        Args:
            files: of every encoder, by name.
            device: to run on.
            prompted: names of those whose text side is needed; by default all.

        Raises:
            ScorerError: files that cannot be used; those of all encoders are named.
        """
        opened: dict[str, Encoder] = {}
        problems = Problems()
        for name, one in files.items():
            text = prompted is None or name in prompted
            with problems.collecting(Named(f"encoder {name}")):
                opened[name] = Encoder.open(one.config, one.weights, device, text=text)
        problems.raise_as(ScorerError)
        return cls(opened)

    def embed(self, images: Tensor, wanted: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The wanted embeddings of finite pictures ``[n, 3, h, w]`` in 0..1, each ``(n, d)`` float32."""
        views: dict[str, list[tuple[str, str]]] = {}
        for name in wanted:
            encoder, _, view = name.partition("/")
            views.setdefault(encoder, []).append((name, view))
        found: dict[str, npt.NDArray[np.float32]] = {}
        for encoder, names in views.items():
            seen = self[encoder].embed(images, [view for _, view in names])
            found |= {name: seen[view].cpu().numpy() for name, view in names}
        return found

    def trace(self, images: Tensor, name: str) -> Tensor:
        """One embedding, ``[n, d]``, with gradients to the pictures if they ask for any."""
        return self[name].trace(images, name.partition("/")[2])

    def versions(self, wanted: Iterable[str]) -> dict[str, str]:
        """What makes each embedding, as ``Features.versions`` has it."""
        return {EMBEDDING + name: self[name].version for name in wanted}

    def __getitem__(self, name: str) -> Encoder:
        """One encoder, by its name or by that of one of its embeddings.

        Raises:
            ScorerError: it is not open.
        """
        encoder, _, view = name.partition("/")
        if encoder not in self._opened:
            raise ScorerError(
                f"no encoder {encoder!r} is open", remedy=f"there are: {', '.join(self._opened) or 'none'}"
            )
        if view not in self._opened[encoder].views:
            raise ScorerError(f"encoder {encoder!r} gives no embedding {name!r}")
        return self._opened[encoder]
