"""Whether a picture shows what its prompt asks for: the cosine between the two in a CLIP encoder.

The cosine is CLIPScore without its factor (Hessel et al. 2021). With an encoder that was trained on people's choices it
predicts what people prefer: Human Preference Score v2 is the cosine (Wu et al. 2023), PickScore the cosine times CLIP's
scale (Kirstain et al. 2023).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scorers.base import Calibration
from scorers.encoders.encoder import Encoder
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, Features

QUALITY_TAGS = frozenset(
    {
        *("masterpiece", "best quality", "high quality", "highest quality", "ultra quality", "amazing quality"),
        *("high resolution", "highres", "absurdres", "hires", "4k", "8k", "uhd", "hdr", "sharp focus"),
        *("ultra detailed", "ultra-detailed", "highly detailed", "extremely detailed", "intricate details"),
        *("award winning", "award-winning", "trending on artstation", "very aesthetic"),
    }
)
"""Prompt tags that ask for quality and name nothing to be seen; they are left out."""
_LORA = re.compile(r"<[^<>:]+:[^<>]*>")
_AND = re.compile(r"(?::\s*-?[\d.]+\s*)?\bAND\b")  # "a cat:0.7 AND a dog:0.3": parts with weights
_LAST = re.compile(r":\s*-?[\d.]+\s*$")
_SWAP = re.compile(r"\[([^\[\]:|]*):([^\[\]:|]*):\s*[\d.]+\s*\]")
_LATE = re.compile(r"\[([^\[\]:|]*):\s*[\d.]+\s*\]")
_WEIGHT = re.compile(r"(?<=\S)\s*:\s*-?\d*\.?\d+\s*(?=\))")
_BRACKET = re.compile(r"(?<!\\)[()\[\]{}|]")


def plain_prompt(prompt: str) -> str:
    """A prompt as plain text: without AUTOMATIC1111's weights, networks and keywords, and without quality tags.

    Of ``[from:to:when]`` both texts stay, as both are in the picture.
    """
    text = _LORA.sub(" ", prompt)
    if _AND.search(text):
        text = _AND.sub(" ", _LAST.sub("", text))
    text = re.sub(r"\bBREAK\b", " ", text)
    text = _LATE.sub(r"\1", _SWAP.sub(r"\1 \2", text))
    text = _BRACKET.sub(" ", _WEIGHT.sub("", text)).replace("\\(", "(").replace("\\)", ")")
    parts = (" ".join(part.split()) for part in re.split(r"[,\n]", text))
    return ", ".join(part for part in parts if part and part.lower() not in QUALITY_TAGS)


class Fidelity:
    """Cosine between picture and prompt, -1..1, times a scale; CLIP models give about 0.15..0.35."""

    version = "1"
    degree = 1

    def __init__(self, encoder: Encoder, embedding: str, name: str = "clip", scale: float = 1.0) -> None:
        """Score with an encoder.

        Args:
            encoder: the encoder that also embeds the pictures.
            embedding: the name of the encoder's embeddings in features.
            name: the scorer's name.
            scale: the factor of the cosines.

        Raises:
            ScorerError: the encoder reads no text.
        """
        if not encoder.reads_text:
            raise ScorerError(
                f"encoder {encoder.name} reads no text offline",
                remedy=f"remove the scorer {name!r} from the weights, or take another encoder",
            )
        self.name = name
        self.scale = scale
        self.needs = frozenset({EMBEDDING + embedding, "prompt"})
        self._encoder = encoder
        self._embedding = embedding
        self._known: dict[str, npt.NDArray[np.float64]] = {}

    def fit(self, calibration: Calibration) -> None:
        """Embed the calibration's prompts, so that scoring needs no text encoder for them; nothing else is learnt."""
        for features in calibration.recipes.values():
            self._embed(features.prompts)

    def _embed(self, prompts: tuple[str, ...]) -> None:
        new = sorted(set(prompts) - self._known.keys())
        if new:
            vectors = self._encoder.embed_texts([plain_prompt(prompt) for prompt in new]).cpu().numpy()
            self._known.update(zip(new, vectors.astype(np.float64), strict=True))

    def __call__(self, features: Features) -> npt.NDArray[np.float64]:
        """Contributions, ``(n,)``; NaN for a picture without a prompt."""
        cosines = (features.embedding(self._embedding).astype(np.float64) * self.texts(features.prompts)).sum(1)
        return np.where([not plain_prompt(prompt) for prompt in features.prompts], np.nan, self.scale * cosines)

    def cosines(self, features: Features, prompts: Sequence[Sequence[str]]) -> npt.NDArray[np.float64]:
        """Cosines between every picture and prompts of its own, ``(n, k)``; NaN for a picture that is not finite.

        Args:
            features: of ``n`` pictures.
            prompts: ``k`` prompts for each of them.
        """
        vectors = self.texts([prompt for row in prompts for prompt in row]).reshape(len(prompts), len(prompts[0]), -1)
        pictures = features.embedding(self._embedding).astype(np.float64)
        return np.einsum("nd,nkd->nk", pictures, vectors)

    def texts(self, prompts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Unit vectors of prompts, ``(n, d)``."""
        self._embed(tuple(prompts))
        return np.stack([self._known[prompt] for prompt in prompts])
