"""A panel's encoders by name; each embeds a picture once, for all scorers that read it.

An embedding is named after its encoder, ``clip-l``, or after one of the encoder's views, ``csd/content``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

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
    """Opened encoders by name.

    Attributes:
        device: where they run.
    """

    def __init__(self, opened: Mapping[str, Encoder], device: str | torch.device = "cpu") -> None:
        self._opened = dict(opened)
        self.device = torch.device(device)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the opened encoders."""
        return tuple(self._opened)

    @classmethod
    def open(
        cls,
        files: Mapping[str, EncoderFiles],
        device: str | torch.device = "cpu",
        prompted: Collection[str] | None = None,
        precision: str = "fp32",
        *,
        wait_on_host: bool = False,
    ) -> Encoders:
        """Open all.

        Args:
            files: the files of every encoder, by name.
            device: the device to run on.
            prompted: names of the encoders whose text encoder is needed; by default all.
            precision: the number format to run in, one of ``scorers.encoders.encoder.PRECISIONS``.
            wait_on_host: whether their weights wait in main memory whenever they are not at work.

        Raises:
            ScorerError: files that cannot be used; those of all encoders are named.
        """
        opened: dict[str, Encoder] = {}
        problems = Problems()
        for name, one in files.items():
            text = prompted is None or name in prompted
            with problems.collecting(Named(f"encoder {name}")):
                opened[name] = Encoder.open(one.config, one.weights, device, precision, text=text, waits=wait_on_host)
        problems.raise_as(ScorerError)
        return cls(opened, device)

    def embed(self, images: Tensor, embeddings: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The named embeddings of finite pictures ``[n, 3, h, w]`` in 0..1, each ``(n, d)`` float32."""
        views: dict[str, list[tuple[str, str]]] = {}
        for name in embeddings:
            encoder, _, view = name.partition("/")
            views.setdefault(encoder, []).append((name, view))
        vectors: dict[str, npt.NDArray[np.float32]] = {}
        for encoder, names in views.items():
            by_view = self[encoder].embed(images, [view for _, view in names], partial(self._park, encoder))
            vectors |= {name: by_view[view].cpu().numpy() for name, view in names}
        return vectors

    def park(self) -> int:
        """Have the weights of all wait in main memory until needed; return the bytes that the device has more."""
        return self._park()

    def wait_on_host(self) -> int:
        """Have the weights of all wait in main memory whenever they are not at work, from now on; bytes as ``park``."""
        for encoder in self._opened.values():
            encoder.waits = True
        return self._park()

    def _park(self, but: str = "") -> int:
        return sum(encoder.park() for name, encoder in self._opened.items() if name != but)

    def versions(self, embeddings: Iterable[str]) -> dict[str, str]:
        """The version of the encoder of each embedding, as in ``Features.versions``."""
        return {EMBEDDING + name: self[name].version for name in embeddings}

    def widths(self, embeddings: Iterable[str]) -> dict[str, int]:
        """The number of dimensions of each embedding, by name."""
        return {name: self[name].width(name.partition("/")[2]) for name in embeddings}

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
