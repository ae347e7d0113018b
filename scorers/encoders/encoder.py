"""The image and text encoder that embeddings come from: any CLIP-like model of open_clip, from local files alone.

One forward pass gives several embeddings, the views: the encoder's own, ``pooled``, which is the input of the last
projection, and one for each further projection in the weights, such as CSD's ``content``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import Problems
from scorers.catalogue.tensor_files import read_tensors, sha256_of
from scorers.encoders.build import built
from scorers.encoders.files import EncoderConfig, read_config, refuse_mix_up
from scorers.encoders.layouts import in_open_clip_names
from scorers.encoders.preprocess import Resize, prep
from scorers.errors import ScorerError, ScorerWarning

CHUNK = 16
"""Pictures embedded at a time."""
OWN, POOLED = "", "pooled"
"""Names of the views that every encoder with a projection has: its own embedding, and the projection's input."""


class Encoder:
    """A frozen encoder on one device, in float32.

    Attributes:
        name: the config's name, for people.
        version: SHA-256 of architecture, preprocessing and weights.
        weights_sha256: SHA-256 of the weights file.
        size: side of its input pictures, in pixels.
        logit_scale: the trained factor of cosines; 1 without the text encoder.
    """

    def __init__(
        self,
        model: Any,
        config: EncoderConfig,
        weights_sha256: str,
        device: torch.device,
        views: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            model: open_clip's whole model, or its ``visual`` part alone.
            config: its config.
            weights_sha256: SHA-256 of its weights' file.
            device: the device to run on.
            views: further projections ``(width, d)`` of the pooled output.
        """
        model = model.eval().requires_grad_(False).to(device)
        self._visual = getattr(model, "visual", model)
        self._text = model if hasattr(model, "encode_text") else None
        self._views: dict[str, Tensor | None] = _without_projection(self._visual)
        self._views |= {name: matrix.float().to(device) for name, matrix in (views or {}).items()}
        self._tokenizer = _tokenizer(config) if self._text is not None else None
        self._preprocess = config.preprocess
        self._widths = _widths(self._views, int(config.model["embed_dim"]))
        self._device = device
        self._warned: set[str] = set()
        size = self._visual.image_size
        self.size: int = int(size[0] if isinstance(size, tuple | list) else size)
        self.logit_scale = math.exp(float(self._text.logit_scale.max())) if self._text is not None else 1.0
        self.name = config.name
        self.weights_sha256 = weights_sha256
        described = json.dumps([config.model, config.preprocess, weights_sha256], sort_keys=True, default=list)
        self.version = hashlib.sha256(described.encode()).hexdigest()

    @classmethod
    def open(
        cls, config: str | Path, weights: Path, device: str | torch.device = "cpu", *, text: bool = True
    ) -> Encoder:
        """Build the architecture and load all its weights.

        Args:
            config: name of a known encoder, a JSON file, or an open_clip architecture.
            weights: ``.safetensors``, or a PyTorch file of plain tensors, in a layout of ``scorers.encoders.layouts``.
            device: the device to run on.
            text: whether to load the text encoder too; it is a third of the memory, and only for prompts.

        Raises:
            ScorerError: either file cannot be used, or they do not fit together.
        """
        weights = Path(weights)
        described, tensors = _both(config, weights)
        sha256 = sha256_of(weights)
        refuse_mix_up(weights, sha256, described)
        loaded = in_open_clip_names(weights, tensors)
        text = text and not loaded.views  # CSD has no text encoder
        if described.known is not None and set(loaded.views) != set(described.known.views) - {POOLED}:
            raise _no_such_views(weights, described.known.name, set(loaded.views))
        model = built(weights, described, loaded.tensors, text=text)
        return cls(model, described, sha256, torch.device(device), loaded.views)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the embeddings that one pass gives; "" is the encoder's own."""
        return tuple(self._views)

    def width(self, view: str) -> int:
        """The number of dimensions of this view's embedding."""
        return self._widths[view]

    @property
    def reads_text(self) -> bool:
        """Whether texts can be embedded: not when the tokenizer would have to be downloaded."""
        return self._tokenizer is not None

    @torch.inference_mode()
    def embed(self, images: Tensor, views: Sequence[str]) -> dict[str, Tensor]:
        """Embed pictures, one pass for all views.

        Args:
            images: ``[n, 3, h, w]`` in 0..1.
            views: names of the embeddings to compute.

        Returns:
            By view, ``[n, d]`` float32 unit vectors on the encoder's device; each depends on its own picture alone.

        Raises:
            ScorerError: the encoder has no such view.
        """
        unknown = [view for view in views if view not in self._views]
        if unknown:
            raise ScorerError(
                f"encoder {self.name} has no {unknown[0]!r}", remedy=f"there are {', '.join(self._views)}"
            )
        parts = [self._embedded(chunk, views) for chunk in images.split(CHUNK)]
        return {view: torch.cat([part[view] for part in parts]) for view in views}

    def trace(self, images: Tensor, view: str) -> Tensor:
        """One embedding as in ``embed``, all pictures at once, with gradients to them if they require any."""
        return self._embedded(images, (view,))[view]

    def _embedded(self, chunk: Tensor, views: Sequence[str]) -> dict[str, Tensor]:
        mean, std = self._preprocess["mean"], self._preprocess["std"]
        resize = cast("Resize", self._preprocess["resize_mode"])
        pooled: Tensor = self._visual(prep(chunk.to(self._device), self.size, mean, std, resize)).float()
        matrices = {view: self._views[view] for view in views}
        return {view: F.normalize(pooled if m is None else pooled @ m, dim=-1) for view, m in matrices.items()}

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: ``[m, d]`` float32 unit vectors. What is too long for the encoder is cut off, with a warning.

        Raises:
            ScorerError: the encoder's tokenizer is not a CLIP tokenizer, or its text side was not loaded.
        """
        if self._tokenizer is None or self._text is None:
            raise ScorerError(
                f"encoder {self.name} reads no text offline", remedy="drop the scorer 'clip' or use a CLIP model"
            )
        tokens: Tensor = self._tokenizer(list(texts))
        end = tokens.shape[1] - 1
        self._warn_cut([text for text, row in zip(texts, tokens, strict=True) if int(row[end]) != 0])
        return F.normalize(self._text.encode_text(tokens.to(self._device)).float(), dim=-1)

    def _warn_cut(self, full: list[str]) -> None:
        """Warn once per text of more tokens than fit; a full row of tokens may also be a text that just fits."""
        limit = cast("Any", self._text).context_length - 2
        for text in full:
            count = len(cast("Any", self._tokenizer).encode(text))
            if count > limit and text not in self._warned:
                self._warned.add(text)
                warnings.warn(
                    f"prompt of {count} tokens, the encoder reads the first {limit}: {text[:60]!r}...",
                    ScorerWarning,
                    stacklevel=4,
                )


def _both(config: str | Path, weights: Path) -> tuple[EncoderConfig, dict[str, Tensor]]:
    """The configuration and the weights; what is wrong with either is told together."""
    problems = Problems()
    described: EncoderConfig | None = None
    with problems.collecting():
        described = read_config(config)
    with problems.collecting():
        tensors = read_tensors(weights)
        if described is not None:
            return described, tensors
    raise ScorerError.of(problems.found)


def _without_projection(visual: Any) -> dict[str, Tensor | None]:
    """Remove the last projection from the model, so that its input is a view too; ``embed`` multiplies by it."""
    projection = getattr(visual, "proj", None)
    if not isinstance(projection, Tensor):
        return {OWN: None}
    visual.proj = None
    return {OWN: projection.detach(), POOLED: None}


def _widths(views: Mapping[str, Tensor | None], embed_dim: int) -> dict[str, int]:
    """By view, the columns of its projection; without one, the rows of the others', or the config's ``embed_dim``."""
    projections = [matrix for matrix in views.values() if matrix is not None]
    plain = int(projections[0].shape[0]) if projections else embed_dim
    return {view: plain if matrix is None else int(matrix.shape[1]) for view, matrix in views.items()}


def _no_such_views(path: Path, name: str, views: set[str]) -> ScorerError:
    if views:
        return ScorerError(f"these are weights of CSD, not of {name}", place=(path,), remedy="name the file csd")
    what = f"these are no weights of {name}: last_layer_style and last_layer_content are missing"
    return ScorerError(what, place=(path,))


def _tokenizer(config: EncoderConfig) -> Callable[[list[str]], Tensor] | None:
    text = config.model["text_cfg"]
    if "hf_tokenizer_name" in text:
        return None
    return _clip_tokenizer(text.get("context_length", 77), **text.get("tokenizer_kwargs", {}))


@functools.cache
def _clip_tokenizer(context_length: int, **settings: Any) -> Callable[[list[str]], Tensor]:
    """Cached, because parsing the vocabulary takes longer than building a small encoder."""
    from open_clip import SimpleTokenizer

    return SimpleTokenizer(context_length=context_length, **settings)
