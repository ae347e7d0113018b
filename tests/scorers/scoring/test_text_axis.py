"""The text axis on the sample world's CLIP, which knows ink from felt; and how weights are shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.encoders.encoder import Encoder
from scorers.errors import ScorerError
from scorers.panel.settings import divide_style_weight
from scorers.reporting.leak import agreement
from scorers.scoring.text_axis import NEUTRAL, TEMPLATES, TextAxis
from studies.sample.world import write_world
from tests.scorers.plain_features import features_of
from tests.scorers.tiny_encoders import embedded

AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
INK, FELT = "with bold ink lines", "modelled in felt"
"""Words of the sample world's captions for both ends of its axis of line."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    world = write_world(tmp_path_factory.mktemp("world"))
    return Encoder.open(world.clip_config, world.clip_weights)


@pytest.mark.parametrize(
    ("like", "unlike"),
    [(FELT, INK), (FELT, NEUTRAL), ("by lamplight in the dark", "in bright daylight")],
)
def test_known_amounts_are_ordered(like: str, unlike: str, trained: Encoder, paint: Callable[..., Tensor]) -> None:
    axis = TextAxis(trained, "clip", like, unlike)
    values = [axis(features_of(embedded(trained, paint(1, 12, amount)).numpy())).mean() for amount in AMOUNTS]
    assert agreement(AMOUNTS, values) > 0.95


def test_value_is_the_difference_of_two_logits(trained: Encoder) -> None:
    axis = TextAxis(trained, "clip", INK, FELT)
    picture = torch.nn.functional.normalize(torch.randn(1, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    logits = []
    for word in (INK, FELT):
        mean = trained.embed_texts([template.format(word) for template in TEMPLATES]).mean(0)
        logits.append(100 * float(picture[0] @ mean / mean.norm()))
    assert axis(features_of(picture.numpy()))[0] == pytest.approx(logits[0] - logits[1], rel=1e-4)
    assert len(TEMPLATES) >= 8


def test_other_words_are_another_version(trained: Encoder) -> None:
    versions = {TextAxis(trained, "clip", like).version for like in (INK, FELT)}
    assert len(versions) == 2


def test_words_that_say_the_same_are_refused(trained: Encoder) -> None:
    with pytest.raises(ScorerError, match=f"no difference between like '{INK}' and unlike '{INK}'"):
        TextAxis(trained, "clip", INK, INK)


def test_an_encoder_without_a_tokenizer_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    mute = Encoder.__new__(Encoder)
    mute.__dict__.update(encoder.__dict__)
    mute._tokenizer = None
    with pytest.raises(ScorerError, match="reads no text offline"):
        TextAxis(mute, "clip", INK)


DEFAULT = {"style": 1.0, "clip": 0.2, "stats": 0.3}


@pytest.mark.parametrize(
    ("weights", "references", "words", "shared"),
    [
        (DEFAULT, 16, False, {"style": 1.0, "lda": 0.0, "margin": 0.0, "clip": 0.2, "stats": 0.3}),
        (DEFAULT, 16, True, {"style": 0.7, "text": 0.3, "lda": 0.0, "margin": 0.0, "clip": 0.2, "stats": 0.3}),
        (DEFAULT, 3, True, {"margin": 0.3, "text": 0.7, "clip": 0.2, "stats": 0.3}),
        ({"style": 2.0, "text": 0.5}, 16, True, {"style": 2.0, "text": 0.5, "lda": 0.0, "margin": 0.0}),
        ({"style": 1.0, "margin": 0.4}, 16, False, {"style": 1.0, "lda": 0.0, "margin": 0.4}),
        ({"stats": 1.0}, 16, True, {"stats": 1.0}),
    ],
)
def test_weights_of_the_divide_style_weight(
    weights: dict[str, float], references: int, words: bool, shared: dict[str, float]
) -> None:
    found = divide_style_weight(weights, references, words=words)
    assert found == pytest.approx(shared)
    assert divide_style_weight(found, references, words=words) == pytest.approx(shared)
    assert np.isclose(sum(found.values()), sum(shared.values()))
