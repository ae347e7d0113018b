"""Preference scorers: the published formulas, on models in the layouts that they are published in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from scorers.catalogue.sources import EncoderFiles, FileFinder
from scorers.encoders.encoder import Encoder
from scorers.encoders.files import read_config
from scorers.encoders.opened import Encoders
from scorers.encoders.preprocess import prep
from scorers.panel.registry import ScorerInputs, built_in_scorers
from tests.scorers.plain_features import features_of
from tests.scorers.tiny_encoders import transformers_clip

PROMPTS = ("a red cat", "two trees", "a house by the sea")
IMAGES = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def scored(scorer: str, encoder: str, config: Path, weights: Path) -> np.ndarray:
    """What a scorer says of the pictures, its encoder's files given."""
    files = {encoder: EncoderFiles(config=config, weights=weights)}
    sources = FileFinder("clip", files, None, {}).sources([scorer])
    encoders = Encoders.open(sources.encoders, prompted=sources.prompted)
    (one,) = built_in_scorers([scorer], ScorerInputs(encoders=encoders, sources=sources))
    features = features_of(np.zeros((3, 1)), prompts=PROMPTS)
    return one(replace(features, embeddings=encoders.embed(IMAGES, [encoder])))


@pytest.fixture
def tiny(clip_config: dict[str, Any], tmp_path: Path) -> Path:
    (tmp_path / "tiny.json").write_text(json.dumps(clip_config))
    return tmp_path / "tiny.json"


def test_pickscore_is_the_logit_of_transformers(clip_config: dict[str, Any], tiny: Path, tmp_path: Path) -> None:
    model = transformers_clip(clip_config)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "model.safetensors")
    preprocess = read_config(tiny).preprocess
    tokens = Encoder.open(tiny, tmp_path / "model.safetensors")._tokenizer(list(PROMPTS))  # type: ignore[misc]
    with torch.inference_mode():
        pixels = prep(IMAGES, 64, preprocess["mean"], preprocess["std"])
        logits = model(input_ids=tokens, pixel_values=pixels).logits_per_image.diagonal()
    got = scored("pick", "pickscore", tiny, tmp_path / "model.safetensors")
    np.testing.assert_allclose(got, logits.numpy(), rtol=2e-6, atol=2e-5)
    assert np.abs(got).max() > 0.1


@pytest.mark.parametrize("scorer", ["hpsv2", "hpsv21"])
def test_human_preference_is_the_plain_cosine_of_a_letterboxed_picture(
    scorer: str, clip_config: dict[str, Any], clip_files: tuple[Path, Path], tmp_path: Path
) -> None:
    state = load_file(clip_files[1])
    weights, config = tmp_path / "HPS_compressed.pt", tmp_path / "hps.json"
    torch.save({"epoch": 1, "name": "hps", "state_dict": {key: value.half() for key, value in state.items()}}, weights)
    resize = {"resize_mode": read_config(scorer).preprocess["resize_mode"]}
    config.write_text(json.dumps({"model_cfg": clip_config, "preprocess_cfg": resize}))
    from open_clip import CLIP, OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, SimpleTokenizer

    model = CLIP(**clip_config).eval()
    model.load_state_dict({key: value.half().float() for key, value in state.items()})
    wide = F.interpolate(IMAGES, size=(43, 64), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    boxed = F.pad(wide, (0, 0, 10, 11))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    with torch.inference_mode():
        pictures = model.encode_image((boxed - mean) / std, normalize=True)
        words = model.encode_text(SimpleTokenizer()(list(PROMPTS)), normalize=True)
    cosines = (pictures * words).sum(1).numpy()
    np.testing.assert_allclose(scored(scorer, scorer, config, weights), cosines, atol=2e-4)
