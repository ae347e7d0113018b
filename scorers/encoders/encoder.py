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
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import Problems
from scorers.catalogue.tensor_files import sha256_of
from scorers.encoders.build import built
from scorers.encoders.files import EncoderConfig, read_config, refuse_mix_up
from scorers.encoders.layouts import layout_of
from scorers.encoders.preprocess import Resize, prep
from scorers.encoders.side import Side, attempted
from scorers.encoders.weights_file import WeightsFile
from scorers.errors import ScorerError, ScorerWarning

CHUNK = 16
"""Pictures embedded at a time, where memory does not ask for fewer."""
TEXTS = 1 << 16
"""Texts embedded at a time, where memory does not ask for fewer: all."""
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""The number formats that an encoder can run in, by name."""
OWN, POOLED = "", "pooled"
"""Names of the views that every encoder with a projection has: its own embedding, and the projection's input."""


class Encoder:
    """A frozen encoder on one device.

    Its weights are on the device, or wait in main memory until they are needed; see ``scorers.encoders.side``.

    Attributes:
        name: the config's name, for people.
        version: SHA-256 of architecture, preprocessing, weights and number format.
        weights_sha256: SHA-256 of the weights file.
        size: side of its input pictures, in pixels.
        logit_scale: the trained factor of cosines; 1 without the text encoder.
        waits: whether its weights wait in main memory whenever they are not at work.
    """

    def __init__(
        self,
        model: Any,
        config: EncoderConfig,
        weights_sha256: str,
        device: torch.device,
        views: Mapping[str, Tensor] | None = None,
        precision: str = "fp32",
        *,
        waits: bool = False,
    ) -> None:
        """Wrap a model.

        Args:
            model: open_clip's whole model, or its ``visual`` part alone, in main memory.
            config: its config.
            weights_sha256: SHA-256 of its weights' file.
            device: the device to run on.
            views: further projections ``(width, d)`` of the pooled output.
            precision: the number format of the model's weights, one of ``PRECISIONS``.
            waits: see the attribute.
        """
        model = model.eval().requires_grad_(False)
        self._visual = getattr(model, "visual", model)
        self._text = model if hasattr(model, "encode_text") else None
        self._views: dict[str, Tensor | None] = _without_projection(self._visual)
        self._views |= {name: matrix.float() for name, matrix in (views or {}).items()}
        self._tokenizer = _tokenizer(config) if self._text is not None else None
        self._preprocess = config.preprocess
        self._widths = _widths(self._views, int(config.model["embed_dim"]))
        self._precision, self.waits = precision, waits
        matrices = [matrix for matrix in self._views.values() if matrix is not None]
        self._pictures, self._texts = _sides(config.name, model, self._visual, matrices, device)
        if not waits:
            attempted(self._pictures.fetch)  # else they wait all the same, until somebody makes room
            attempted(self._texts.fetch)
        self._warned: set[str] = set()
        size = self._visual.image_size
        self.size: int = int(size[0] if isinstance(size, tuple | list) else size)
        self.logit_scale = math.exp(float(self._text.logit_scale.max())) if self._text is not None else 1.0
        self.name = config.name
        self.weights_sha256 = weights_sha256
        parts = [config.model, config.preprocess, weights_sha256, *([precision] if precision != "fp32" else [])]
        described = json.dumps(parts, sort_keys=True, default=list)
        self.version = hashlib.sha256(described.encode()).hexdigest()

    @classmethod
    def open(
        cls,
        config: str | Path,
        weights: Path,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
        *,
        text: bool = True,
        waits: bool = False,
    ) -> Encoder:
        """Build the architecture and load all its weights.

        Args:
            config: name of a known encoder, a JSON file, or an open_clip architecture.
            weights: ``.safetensors``, or a PyTorch file of plain tensors, in a layout of ``scorers.encoders.layouts``.
            device: the device to run on.
            precision: the number format to run in, one of ``PRECISIONS``.
            text: whether to load the text encoder too; it is a third of the memory, and only for prompts.
            waits: whether its weights wait in main memory whenever they are not at work.

        Raises:
            ScorerError: either file cannot be used, or they do not fit together.
        """
        weights = Path(weights)
        described, file = _both(config, weights)
        sha256 = sha256_of(weights)
        refuse_mix_up(weights, sha256, described)
        layout = layout_of(weights, file.shapes)
        text = text and not layout.views  # CSD has no text encoder
        if described.known is not None and set(layout.views) != set(described.known.views) - {POOLED}:
            raise _no_such_views(weights, described.known.name, set(layout.views))
        model = built(file, described, layout.weights, text=text, dtype=PRECISIONS[precision])
        views = {name: file.take(origin) for name, origin in layout.views.items()}
        return cls(model, described, sha256, torch.device(device), views, precision, waits=waits)

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

    def park(self) -> int:
        """Have all weights wait in main memory; return the bytes that the device has more."""
        return self._pictures.park() + self._texts.park()

    @torch.inference_mode()
    def embed(
        self, images: Tensor, views: Sequence[str], make_room: Callable[[], int] = lambda: 0
    ) -> dict[str, Tensor]:
        """Embed pictures, one pass for all views; where the device is full, as ``scorers.encoders.side`` says.

        Args:
            images: ``[n, 3, h, w]`` in 0..1.
            views: names of the embeddings to compute.
            make_room: frees other memory of the device, and returns how many bytes.

        Returns:
            By view, ``[n, d]`` float32 unit vectors on the encoder's device; each depends on its own picture alone.

        Raises:
            ScorerError: the encoder has no such view, a single picture is too much for the device, or the numbers of
                half precision are too small for what the encoder computes.
        """
        unknown = [view for view in views if view not in self._views]
        if unknown:
            raise ScorerError(
                f"encoder {self.name} has no {unknown[0]!r}", remedy=f"there are {', '.join(self._views)}"
            )

        def work(rows: int) -> dict[str, Tensor]:
            parts = [self._embedded(chunk, views) for chunk in images.split(rows)]
            return {view: torch.cat([part[view] for part in parts]) for view in views}

        embedded = self._pictures.run(len(images), work, lambda: self._texts.park() + make_room())
        if self._precision != "fp32" and not all(vectors.isfinite().all() for vectors in embedded.values()):
            what = f"encoder {self.name} gives numbers that are not finite in {self._precision}"
            raise ScorerError(what, remedy="run it in fp32")
        if self.waits:
            self._pictures.park()
        return embedded

    def _embedded(self, chunk: Tensor, views: Sequence[str]) -> dict[str, Tensor]:
        mean, std = self._preprocess["mean"], self._preprocess["std"]
        resize = cast("Resize", self._preprocess["resize_mode"])
        inputs = prep(chunk.to(self._pictures.device), self.size, mean, std, resize)
        pooled: Tensor = self._visual(inputs.to(PRECISIONS[self._precision])).float()
        vectors: dict[str, Tensor] = {}
        for view in views:
            matrix = self._views[view]
            vectors[view] = F.normalize(pooled if matrix is None else pooled @ matrix, dim=-1)
        return vectors

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: ``[m, d]`` float32 unit vectors. What is too long for the encoder is cut off, with a warning.

        Raises:
            ScorerError: the encoder's tokenizer is not a CLIP tokenizer, or its text side was not loaded.
        """
        model, tokenizer = self._text, self._tokenizer
        if tokenizer is None or model is None:
            raise ScorerError(
                f"encoder {self.name} reads no text offline", remedy="drop the scorer 'clip' or use a CLIP model"
            )
        tokens: Tensor = tokenizer(list(texts))
        end = tokens.shape[1] - 1
        self._warn_cut([text for text, row in zip(texts, tokens, strict=True) if int(row[end]) != 0])

        def work(rows: int) -> Tensor:
            pieces = tokens.to(self._texts.device).split(rows)
            return F.normalize(torch.cat([model.encode_text(piece).float() for piece in pieces]), dim=-1)

        embedded = self._texts.run(len(tokens), work, self._pictures.park)
        if self.waits:
            self._texts.park()
        return embedded

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


def _sides(name: str, model: Any, visual: Any, matrices: Iterable[Tensor], device: torch.device) -> tuple[Side, Side]:
    """The side of pictures with its projections, and that of texts, which is empty in a model of pictures alone."""
    pictures = [*visual.parameters(), *visual.buffers()]
    known = {id(tensor) for tensor in pictures}
    texts = [tensor for tensor in (*model.parameters(), *model.buffers()) if id(tensor) not in known]
    own = Side(f"encoder {name}, pictures", [*pictures, *matrices], device, CHUNK)
    return own, Side(f"encoder {name}, texts", texts, device, TEXTS)


def _both(config: str | Path, weights: Path) -> tuple[EncoderConfig, WeightsFile]:
    """The configuration and the weights; what is wrong with either is told together."""
    problems = Problems()
    described: EncoderConfig | None = None
    with problems.collecting():
        described = read_config(config)
    with problems.collecting():
        file = WeightsFile(weights)
        if described is not None:
            return described, file
    raise ScorerError.of(problems.found)


def _without_projection(visual: Any) -> dict[str, Tensor | None]:
    """Remove the last projection from the model, so that its input is a view too; ``embed`` multiplies by it."""
    projection = getattr(visual, "proj", None)
    if not isinstance(projection, Tensor):
        return {OWN: None}
    visual.proj = None
    return {OWN: projection.detach().float(), POOLED: None}


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
