"""The image and text encoder every embedding comes from: any CLIP-like model of open_clip, from local files alone."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from scorers.encoder_files import EncoderConfig, check_weights, read_config, read_weights, sha256_of
from scorers.errors import ScorerError, ScorerWarning
from scorers.preprocess import Resize, prep

CHUNK = 16


class Encoder:
    """A frozen encoder on one device, in float32.

    Attributes:
        name: of the architecture, for people.
        version: hash of architecture, preprocessing and weights.
        weights_sha256: of the weights file.
        size: side of the pictures it looks at, in pixels.
    """

    def __init__(self, model: Any, config: EncoderConfig, weights_sha256: str, device: torch.device) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._tokenizer = _tokenizer(config)
        self._preprocess = config.preprocess
        self._device = device
        self._warned: set[str] = set()
        size = model.visual.image_size
        self.size: int = int(size[0] if isinstance(size, tuple | list) else size)
        self.name = config.name
        self.weights_sha256 = weights_sha256
        described = json.dumps([config.model, config.preprocess, weights_sha256], sort_keys=True, default=list)
        self.version = hashlib.sha256(described.encode()).hexdigest()

    @classmethod
    def open(cls, config: str | Path, weights: Path, device: str | torch.device = "cpu") -> Encoder:
        """Build the architecture and fill it with the weights, completely.

        Args:
            config: a JSON file or an open_clip architecture name.
            weights: ``.safetensors``, or a PyTorch file of plain tensors.
            device: to run on.

        Raises:
            ScorerError: either file cannot be used, or they do not fit together.
        """
        weights = Path(weights)
        described = read_config(config)
        state = read_weights(weights)
        with torch.random.fork_rng(devices=[]):  # random starting weights must not move anyone's seed
            model = _build(described)
        check_weights(weights, described.name, state, model.state_dict())
        model.load_state_dict(state, strict=True)
        return cls(model, described, sha256_of(weights), torch.device(device))

    @property
    def reads_text(self) -> bool:
        """Whether prompts can be embedded: not when the tokenizer would have to be downloaded."""
        return self._tokenizer is not None

    @torch.inference_mode()
    def embed_images(self, images: Tensor) -> Tensor:
        """Embed pictures.

        Args:
            images: ``[n, 3, h, w]`` in 0..1.

        Returns:
            ``[n, d]`` float32 unit vectors on the encoder's device; a picture's does not depend on the others.
        """
        mean, std = self._preprocess["mean"], self._preprocess["std"]
        resize = cast("Resize", self._preprocess["resize_mode"])
        ready = (prep(chunk.to(self._device), self.size, mean, std, resize) for chunk in images.split(CHUNK))
        return torch.cat([F.normalize(self._model.encode_image(chunk).float(), dim=-1) for chunk in ready])

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: ``[m, d]`` float32 unit vectors. What is too long for the encoder is cut off, with a warning.

        Raises:
            ScorerError: the encoder's tokenizer is not a CLIP tokenizer.
        """
        if self._tokenizer is None:
            raise ScorerError(f"encoder {self.name} reads no text offline; drop the scorer 'clip' or use a CLIP model")
        tokens: Tensor = self._tokenizer(list(texts))
        end = tokens.shape[1] - 1
        self._warn_cut([text for text, row in zip(texts, tokens, strict=True) if int(row[end]) != 0])
        return F.normalize(self._model.encode_text(tokens.to(self._device)).float(), dim=-1)

    def _warn_cut(self, full: list[str]) -> None:
        """A full row of tokens is a text of the most tokens there can be, or of more; count the latter."""
        limit = self._model.context_length - 2
        for text in full:
            count = len(cast("Any", self._tokenizer).encode(text))
            if count > limit and text not in self._warned:
                self._warned.add(text)
                warnings.warn(
                    f"prompt of {count} tokens, the encoder reads the first {limit}: {text[:60]!r}...",
                    ScorerWarning,
                    stacklevel=4,
                )


def _build(config: EncoderConfig) -> Any:
    from open_clip import CLIP, CustomTextCLIP

    settings = dict(config.model)
    custom = settings.pop("custom_text", False)
    if "hf_model_name" in settings["text_cfg"]:
        raise ScorerError(f"{config.name}: its text side needs a download; use a plain CLIP or SigLIP architecture")
    if "multimodal_cfg" in settings:
        raise ScorerError(f"{config.name}: CoCa models are not supported; use a plain CLIP or SigLIP architecture")
    try:
        return (CustomTextCLIP if custom else CLIP)(**settings)
    except (TypeError, KeyError, ValueError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        raise ScorerError(f"{config.name}: open_clip cannot build this config ({error})") from error


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
