"""Prompts without a web interface's syntax, and cosines that follow the prompt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.encoders.encoder import Encoder
from scorers.scoring.prompt_match import Fidelity, plain_prompt
from tests.scorers.plain_features import features_of
from tests.scorers.tiny_encoders import embedded


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("a red cat on the beach", "a red cat on the beach"),
        ("(masterpiece:1.2), best quality, a (red:1.3) cat", "a red cat"),
        ("((a cat)), [dog], <lora:flat2:0.8>, tree", "a cat, dog, tree"),
        ("a cat BREAK a dog:0.7 AND a bird:0.5", "a cat a dog a bird"),
        ("[oil painting:photo:0.4] of a cat", "oil painting photo of a cat"),
        ("a [hat:0.5] cat, {sunny}", "a hat cat, sunny"),
        (r"artoria \(fate\), (smile:0.9)", "artoria (fate), smile"),
        ("ratio 16:9, at 10:30", "ratio 16:9, at 10:30"),
        ("<hypernet:x:1>, 8k", ""),
    ],
)
def test_plain_prompt(prompt: str, plain: str) -> None:
    assert plain_prompt(prompt) == plain


def test_cosine_with_the_own_prompt(encoder: Encoder, paint: Callable[..., Tensor]) -> None:
    prompts = ["(a red cat:1.2)", "a tree", "<lora:x:1>"]
    images = embedded(encoder, paint(1, 12, 0.5)[:3])
    texts = encoder.embed_texts(["a red cat", "a tree"])
    got = Fidelity(encoder, "clip")(features_of(images.numpy(), prompts=tuple(prompts)))
    np.testing.assert_allclose(got[:2], (images[:2] * texts).sum(1).numpy(), atol=1e-6)
    assert np.isnan(got[2])


def test_a_picture_of_its_prompt_is_best(encoder: Encoder) -> None:
    prompts = ("a red cat", "a tree")
    texts = encoder.embed_texts(prompts)
    scorer = Fidelity(encoder, "clip")
    assert scorer(features_of(texts.numpy(), prompts=prompts)) == pytest.approx([1, 1], abs=1e-5)
    assert (scorer(features_of(torch.flip(texts, [0]).numpy(), prompts=prompts)) < 0.999).all()


def test_cosines_with_prompts_of_its_own_for_each_picture(encoder: Encoder) -> None:
    prompts = ("a red cat", "a tree", "a blue house")
    texts = encoder.embed_texts(prompts)
    scorer = Fidelity(encoder, "clip")
    cosines = scorer.cosines(features_of(texts[:2].numpy()), [prompts[:2], prompts[1:]])
    expected = [[1, float(texts[0] @ texts[1])], [1, float(texts[1] @ texts[2])]]
    np.testing.assert_allclose(cosines, expected, atol=1e-5)
