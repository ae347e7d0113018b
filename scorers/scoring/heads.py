"""Heads: small networks that turn an embedding into a rating, read from published files.

All take the unit embedding. Three of the five layouts are linear layers in a row, with dropout that does nothing at
inference; such a head *is* ``w . x + b``, and is multiplied out in float64 when it is read. A head's shapes do not show
what it was trained on, so ``|w|`` and ``b`` of the published files are known here, and a file that belongs to another
scorer is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scorers.base import Calibration
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.published import KnownScorer
from scorers.catalogue.tensor_files import read_tensors, sha256_of
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, Features, FloatArray, Values

VERSION = "1"
"""Version of how heads are read and computed; part of the scorers' versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLayout:
    """How a head's layers are named, and what is between them.

    Attributes:
        names: the layers' names in order, without ``.weight`` and ``.bias``.
        relu: whether there is a ReLU between the layers.
        sigmoid: whether a sigmoid follows the last layer.
    """

    names: tuple[str, ...]
    relu: bool = False
    sigmoid: bool = False


LAYOUTS: Mapping[str, HeadLayout] = {
    # improved-aesthetic-predictor's simple_inference.py; aesthetics-scorer's model.py without activations
    "five linear layers": HeadLayout(names=tuple(f"layers.{i}" for i in (0, 2, 4, 6, 7))),
    # improved-aesthetic-predictor's avaclipmlp_inf_wds-relu.py
    "five layers with ReLU": HeadLayout(names=tuple(f"layers.{i}" for i in (0, 3, 6, 9, 11)), relu=True),
    # aesthetic-predictor's README: torch.nn.Linear
    "one linear layer": HeadLayout(names=("",)),
    # aesthetic-predictor-v2-5's siglip_v2_5.py
    "scoring head": HeadLayout(names=tuple(f"scoring_head.{i}" for i in (0, 2, 4, 6, 8))),
    # waifu-diffusion's aesthetic.py
    "three layers to a sigmoid": HeadLayout(names=("fc1", "fc2", "fc3"), relu=True, sigmoid=True),
}
FINGERPRINTS: Mapping[str, tuple[float, float]] = {
    "sac+logos+ava1-l14-linearMSE.pth": (17.99562, 5.23664),
    "ava+logos-l14-linearMSE.pth": (12.45920, 5.29810),
    "sa_0_4_vit_l_14_linear.pth": (28.44440, 3.52937),
    "aesthetic_predictor_v2_5.pth": (25.4523, 1.93904),
}
"""``|w|`` and ``b`` of published heads of linear layers, by file name."""
_CLOSE = 2e-5
"""The relative error up to which fingerprints are equal: as many digits as are published."""


class Head:
    """A head, ready to rate.

    Attributes:
        width: the width of the embeddings that it rates.
        fingerprint: ``|w|`` and ``b``; None unless the head is linear.
    """

    def __init__(self, layers: Sequence[tuple[FloatArray, FloatArray]], layout: HeadLayout) -> None:
        """``layers`` are weights ``(out, in)`` and biases ``(out,)``."""
        self._layout = layout
        self._layers = tuple(layers) if layout.relu else (_multiplied_out(layers),)
        self.width = layers[0][0].shape[1]
        self.fingerprint: tuple[float, float] | None = None
        if len(self._layers) == 1:
            weight, bias = self._layers[0]
            self.fingerprint = float(np.linalg.norm(weight)), float(bias[0])

    def rate(self, embeddings: npt.NDArray[np.float32]) -> Values:
        """Rate unit embeddings ``(n, width)``: ``(n,)``; NaN stays NaN."""
        x = embeddings.astype(np.float64)
        for number, (weight, bias) in enumerate(self._layers, start=1):
            x = x @ weight.T + bias
            if self._layout.relu and number < len(self._layers):
                x = np.maximum(x, 0)
        rated = x[:, 0]
        return 1 / (1 + np.exp(-rated)) if self._layout.sigmoid else rated


def _multiplied_out(layers: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    weight, bias = layers[0]
    for following, shift in layers[1:]:
        weight, bias = following @ weight, following @ bias + shift
    return weight, bias


def read_head(path: Path, layout: str) -> Head:
    """Read a head.

    Args:
        path: ``.pth`` or ``.safetensors``, in any number format.
        layout: a name in ``LAYOUTS``.

    Raises:
        ScorerError: no such file, another layout, layers that do not fit each other, or numbers that are not finite.
    """
    tensors = read_tensors(path)
    actual = next((name for name, known in LAYOUTS.items() if _keys(known) == set(tensors)), None)
    if actual != layout:
        content = f"it has the layout {actual!r}" if actual else f"it has {', '.join(list(tensors)[:4])}, ..."
        expected = f"{', '.join(sorted(_keys(LAYOUTS[layout]))[:4])}, ..."
        raise ScorerError(
            f"not a head of {layout} ({expected})", place=(path,), remedy=f"{content}{_scorers_of(actual)}"
        )
    layers = [(_numbers(tensors, name, "weight"), _numbers(tensors, name, "bias")) for name in LAYOUTS[layout].names]
    inner = [(w.shape, b.shape) for w, b in layers]
    outputs = [weight.shape[0] for weight, _ in layers]
    inputs = [weight.shape[1] for weight, _ in layers[1:]]
    if outputs[-1] != 1 or outputs[:-1] != inputs or [b.shape[0] for _, b in layers] != outputs:
        raise ScorerError(
            f"the layers of this head do not fit each other: {inner}", place=(path,), remedy="copy it again"
        )
    if not all(np.isfinite(part).all() for layer in layers for part in layer):
        raise ScorerError(
            "damaged: NaN or infinite numbers in a head", place=(path,), remedy="copy or download it again"
        )
    return Head(layers, LAYOUTS[layout])


def _scorers_of(layout: str | None) -> str:
    """The way out: the scorers whose heads have this layout."""
    names = [scorer.name for scorer in catalogue.SCORERS if layout and scorer.layout == layout]
    return f", as have the heads of {', '.join(names)}: take one of these names" if names else "; take another file"


def _keys(layout: HeadLayout) -> set[str]:
    return {_key(name, part) for name in layout.names for part in ("weight", "bias")}


def _key(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _numbers(tensors: Mapping[str, Tensor], name: str, part: str) -> FloatArray:
    return tensors[_key(name, part)].double().numpy()


def refuse_other_head(path: Path, sha256: str, head: Head, scorer: KnownScorer) -> None:
    """Refuse a published file of another scorer, by its hash or its fingerprint.

    Raises:
        ScorerError: it is a published file that belongs to something else.
    """
    own = {file.name for files in scorer.heads.values() for file in files}
    owner = catalogue.owner_of(sha256)
    name = owner[1].name if owner else published_name(head)
    if name is None or name in own:
        return
    other = next(known.name for known, file in catalogue.published() if file.name == name)
    raise ScorerError(
        f"this is {name}, of {other}, not of {scorer.name}",
        place=(path,),
        remedy=f"write {other}, or take another file",
    )


def published_name(head: Head) -> str | None:
    """Name of the published file with this head's fingerprint; None if there is none."""
    if head.fingerprint is None:
        return None
    return next(
        (name for name, known in FINGERPRINTS.items() if np.allclose(head.fingerprint, known, rtol=_CLOSE)), None
    )


class HeadScorer:
    """A scorer that is a head on an embedding; where low published numbers are good, their sign is changed.

    Attributes:
        head: the head.
        sha256: SHA-256 of its file.
    """

    degree = 1

    def __init__(self, name: str, scorer: KnownScorer, path: Path, embedding: str) -> None:
        """Read the head.

        Args:
            name: the scorer's name, as the user wrote it.
            scorer: its entry in the catalogue.
            path: the head's file.
            embedding: name of the embedding that it rates.

        Raises:
            ScorerError: the file is not a head of this scorer.
        """
        self.head = read_head(path, scorer.layout)
        self.sha256 = sha256_of(path)
        refuse_other_head(path, self.sha256, self.head, scorer)
        self.name = name
        self.version = f"{VERSION}, {self.sha256}"
        self.needs = frozenset({EMBEDDING + embedding})
        self._path, self._embedding = path, embedding
        self._sign = -1.0 if scorer.low_is_good else 1.0

    def fit(self, calibration: Calibration) -> None:
        """Nothing to learn."""

    def check_width(self, width: int) -> None:
        """Refuse embeddings of another width.

        Raises:
            ScorerError: the head was trained on another encoder.
        """
        if width != self.head.width:
            name = self.name.partition("@")[0]
            raise ScorerError(
                f"this head of {name} rates embeddings of {self.head.width} numbers, {self._embedding} has {width}",
                place=(self._path,),
                remedy=f"write {name}@ENCODER with the encoder that it was trained on",
            )

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``, in the published units, more is better; NaN where there is no embedding."""
        return self._sign * self.head.rate(features.embedding(self._embedding))
