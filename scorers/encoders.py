"""The encoders of a panel, by name: every picture goes through each of them once, whoever asks for the embedding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scorers.encoder import Encoder
from scorers.errors import ScorerError
from scorers.features import EMBEDDING


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFiles:
    """What an encoder is read from.

    Attributes:
        config: a JSON file or an open_clip architecture name.
        weights: file of the weights.
    """

    config: str | Path
    weights: Path


class Encoders:
    """Opened encoders by name."""

    def __init__(self, opened: Mapping[str, Encoder]) -> None:
        self._opened = dict(opened)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the opened encoders."""
        return tuple(self._opened)

    @classmethod
    def open(cls, files: Mapping[str, EncoderFiles], device: str | torch.device = "cpu") -> Encoders:
        """Open all.

        Raises:
            ScorerError: files that cannot be used; those of all encoders are named.
        """
        opened: dict[str, Encoder] = {}
        wrong: list[str] = []
        for name, one in files.items():
            try:
                opened[name] = Encoder.open(one.config, one.weights, device)
            except ScorerError as error:
                wrong.append(f"encoder {name}: {error}")
        if wrong:
            raise ScorerError("\n".join(wrong))
        return cls(opened)

    def embed(self, images: Tensor, wanted: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The wanted embeddings of finite pictures ``[n, 3, h, w]`` in 0..1, each ``(n, d)`` float32."""
        return {name: self[name].embed_images(images).cpu().numpy() for name in wanted}

    def versions(self, wanted: Iterable[str]) -> dict[str, str]:
        """What makes each embedding, as ``Features.versions`` has it."""
        return {EMBEDDING + name: self[name].version for name in wanted}

    def __getitem__(self, name: str) -> Encoder:
        """One encoder.

        Raises:
            ScorerError: it is not open.
        """
        if name not in self._opened:
            raise ScorerError(f"no encoder {name!r} is open; there are: {', '.join(self._opened) or 'none'}")
        return self._opened[name]
