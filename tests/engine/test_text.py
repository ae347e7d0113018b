from __future__ import annotations

import pytest
import torch
from transformers import CLIPTextModel

from engine.errors import RenderError
from engine.text import Conditioner
from engine.tokenizer import context_ids
from tests.engine.tiny_models import tiny_model


@pytest.fixture(scope="module")
def encoder():
    return tiny_model().text_encoder


def test_the_last_layer_is_the_models_own_output(encoder: CLIPTextModel):
    ids = torch.tensor([context_ids("a red house")])
    expected = encoder(input_ids=ids).last_hidden_state
    found = Conditioner(encoder).encode([("a red house", 1)])
    assert found.shape == (1, 77, 32)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_clip_skip_normalises_an_earlier_layer(encoder: CLIPTextModel):
    ids = torch.tensor([context_ids("a red house")])
    states = encoder(input_ids=ids, output_hidden_states=True).hidden_states
    for skip in (1, 2, 3):
        found = Conditioner(encoder).encode([("a red house", skip)])
        torch.testing.assert_close(found, encoder.final_layer_norm(states[-skip]), rtol=1e-6, atol=1e-6)


def test_an_empty_text_is_encoded_and_not_zero(encoder: CLIPTextModel):
    found = Conditioner(encoder).encode([("", 1)])
    assert float(found.abs().mean()) > 0.1
    ids = torch.tensor([[49406] + [49407] * 76])
    torch.testing.assert_close(found, encoder(input_ids=ids).last_hidden_state, rtol=1e-6, atol=1e-6)


def test_results_come_in_order_and_each_text_is_encoded_once(encoder: CLIPTextModel):
    conditioner = Conditioner(encoder)
    calls: list[int] = []
    hook = encoder.register_forward_hook(
        lambda module, args, kwargs, out: calls.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    both = conditioner.encode([("cat", 1), ("", 1), ("cat", 1), ("cat", 2)])
    again = conditioner.encode([("", 1), ("cat", 2)])
    hook.remove()
    assert calls == [2, 1]
    assert len(conditioner) == 3
    assert torch.equal(both[0], both[2])
    assert torch.equal(again, both[[1, 3]])
    assert not torch.equal(both[0], both[3])


def test_nothing_is_stale_after_forget():
    encoder = tiny_model().text_encoder
    conditioner = Conditioner(encoder)
    before = conditioner.encode([("cat", 1)])
    encoder.final_layer_norm.weight.mul_(2)
    assert torch.equal(conditioner.encode([("cat", 1)]), before)
    conditioner.forget()
    assert not torch.allclose(conditioner.encode([("cat", 1)]), before)


def test_too_long_a_prompt_is_refused(encoder: CLIPTextModel):
    with pytest.raises(RenderError, match="has 80 tokens"):
        Conditioner(encoder).encode([("cat " * 80, 1)])


def test_a_clip_skip_beyond_the_layers_is_refused(encoder: CLIPTextModel):
    with pytest.raises(RenderError, match="clip_skip = 4: the text encoder has 3 layers"):
        Conditioner(encoder).encode([("cat", 4)])


def test_a_broken_text_encoder_is_named():
    encoder = tiny_model().text_encoder
    encoder.final_layer_norm.bias[0] = float("nan")
    with pytest.raises(RenderError, match=r'NaN or infinite numbers for 1 of 1 texts, first "cat".*BASE'):
        Conditioner(encoder).encode([("cat", 1)])
