"""The image and text encoder every embedding comes from: any CLIP-like model of open_clip, from local files alone.

One forward pass of the picture gives several embeddings, the views: the encoder's own, ``pooled``, which is what the
last projection is applied to, and what else the weights have projections for, such as CSD's ``content``.
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

from scorers.catalogue.tensor_files import read_tensors, sha256_of
from scorers.encoders.build import built
from scorers.encoders.files import EncoderConfig, read_config, refuse_mix_up
from scorers.encoders.layouts import in_open_clip_names
from scorers.encoders.preprocess import Resize, prep
from scorers.errors import ScorerError, ScorerWarning

CHUNK = 16
OWN, POOLED = "", "pooled"
"""Names of the views that every encoder with a projection has."""


class Encoder:
    """A frozen encoder on one device, in float32.

    Attributes:
        name: of the architecture, for people.
        version: hash of architecture, preprocessing and weights.
        weights_sha256: of the weights file.
        size: side of the pictures it looks at, in pixels.
        logit_scale: by what CLIP training multiplies cosines; 1 where the text side was left out.
    """

    def __init__(
        self,
        model: Any,
        config: EncoderConfig,
        weights_sha256: str,
        device: torch.device,
        views: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Take a model over.

        Args:
            model: of open_clip, whole, or its ``visual`` part alone.
            config: its config.
            weights_sha256: hash of the file that its weights are from.
            device: to run on.
            views: further projections ``(width, d)`` of the pooled output.
        """
        model = model.eval().requires_grad_(False).to(device)
        self._visual = getattr(model, "visual", model)
        self._text = model if hasattr(model, "encode_text") else None
        self._views: dict[str, Tensor | None] = _taken_apart(self._visual)
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
        """Build the architecture and fill it with the weights, completely.

        Args:
            config: name of a known encoder, a JSON file, or an open_clip architecture.
            weights: ``.safetensors``, or a PyTorch file of plain tensors, in any layout of ``encoder_layouts``.
            device: to run on.
            text: whether to load the text side too; a third of the memory, and needed only where prompts are read.

        Raises:
            ScorerError: either file cannot be used, or they do not fit together.
        """
        weights = Path(weights)
        described = read_config(config)
        tensors = read_tensors(weights)
        sha256 = sha256_of(weights)
        refuse_mix_up(weights, sha256, described)
        found = in_open_clip_names(weights, tensors)
        text = text and not found.views  # CSD has no text side
        if described.known is not None and set(found.views) != set(described.known.views) - {POOLED}:
            raise ScorerError(f"{weights}: {_no_such_views(described.known.name, set(found.views))}")
        model = built(weights, described, found.tensors, text=text)
        return cls(model, described, sha256, torch.device(device), found.views)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the embeddings that one pass gives; "" is the encoder's own."""
        return tuple(self._views)

    def width(self, view: str) -> int:
        """How many numbers an embedding of this view has."""
        return self._widths[view]

    @property
    def reads_text(self) -> bool:
        """Whether prompts can be embedded: not when the tokenizer would have to be downloaded."""
        return self._tokenizer is not None

    @torch.inference_mode()
    def embed(self, images: Tensor, views: Sequence[str]) -> dict[str, Tensor]:
        """Embed pictures, one pass for all views.

        Args:
            images: ``[n, 3, h, w]`` in 0..1.
            views: names of the wanted ones.

        Returns:
            By view, ``[n, d]`` float32 unit vectors on the encoder's device; a picture's does not depend on the others.

        Raises:
            ScorerError: the encoder has no such view.
        """
        unknown = [view for view in views if view not in self._views]
        if unknown:
            raise ScorerError(f"encoder {self.name} has no {unknown[0]!r}; there are {', '.join(self._views)}")
        parts = [self._seen(chunk, views) for chunk in images.split(CHUNK)]
        return {view: torch.cat([part[view] for part in parts]) for view in views}

    def trace(self, images: Tensor, view: str) -> Tensor:
        """One embedding as ``embed`` gives it, all pictures at once, with gradients to them if they ask for any."""
        return self._seen(images, (view,))[view]

    def _seen(self, chunk: Tensor, views: Sequence[str]) -> dict[str, Tensor]:
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
            raise ScorerError(f"encoder {self.name} reads no text offline; drop the scorer 'clip' or use a CLIP model")
        tokens: Tensor = self._tokenizer(list(texts))
        end = tokens.shape[1] - 1
        self._warn_cut([text for text, row in zip(texts, tokens, strict=True) if int(row[end]) != 0])
        return F.normalize(self._text.encode_text(tokens.to(self._device)).float(), dim=-1)

    def _warn_cut(self, full: list[str]) -> None:
        """A full row of tokens is a text of the most tokens there can be, or of more; count the latter."""
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


def _taken_apart(visual: Any) -> dict[str, Tensor | None]:
    """Take the last projection off, so that its input can be seen; the same product follows in ``embed``."""
    projection = getattr(visual, "proj", None)
    if not isinstance(projection, Tensor):
        return {OWN: None}
    visual.proj = None
    return {OWN: projection.detach(), POOLED: None}


def _widths(views: Mapping[str, Tensor | None], embed_dim: int) -> dict[str, int]:
    """Columns of a view's projection; what has none is as wide as the projections are high, or as the encoder says."""
    projections = [matrix for matrix in views.values() if matrix is not None]
    plain = int(projections[0].shape[0]) if projections else embed_dim
    return {view: plain if matrix is None else int(matrix.shape[1]) for view, matrix in views.items()}


def _no_such_views(name: str, found: set[str]) -> str:
    if found:
        return f"these are weights of CSD, not of {name}; name the file csd"
    return f"these are no weights of {name}: last_layer_style and last_layer_content are missing"


def _tokenizer(config: EncoderConfig) -> Callable[[list[str]], Tensor] | None:
    text = config.model["text_cfg"]
    if "hf_tokenizer_name" in text:
        return None
    return _clip_tokenizer(text.get("context_length", 77), **text.get("tokenizer_kwargs", {}))


@functools.cache
def _clip_tokenizer(context_length: int, **settings: Any) -> Callable[[list[str]], Tensor]:
    """Kept: parsing the vocabulary takes longer than building a small encoder."""
    from open_clip import SimpleTokenizer

    return SimpleTokenizer(context_length=context_length, **settings)
