from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel

from engine.errors import RenderError
from engine.prompts.conditioner import Conditioner, ConditioningRequest
from engine.prompts.embeddings import EmbeddingFolder
from engine.prompts.encoders import Tower
from tests.engine.models.tiny_models import tiny_model

Spelled = Sequence[
    Sequence[tuple[str, float]]
]  # chunks of words with weights: a prompt as a person would split it by hand


@pytest.fixture(scope="module")
def encoder():
    return tiny_model().text_encoder


@pytest.fixture
def embeddings(tmp_path: Path) -> EmbeddingFolder:
    torch.manual_seed(9)
    for name, count in (("EasyNegativeV2", 4), ("hand", 2)):
        save_file({"emb_params": torch.randn(count, 32)}, tmp_path / f"{name}.safetensors")
    save_file({"emb_params": torch.randn(2, 48)}, tmp_path / "wide.safetensors")
    save_file({"clip_l": torch.randn(2, 32), "clip_g": torch.randn(2, 48)}, tmp_path / "pair.safetensors")
    return EmbeddingFolder(tmp_path)


# --------------------------------------------------------------------------------------- a plain reference, by loops


@cache
def tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer()


def reference(
    encoder: CLIPTextModel, texts: Sequence[Spelled], clip_skip: int, vectors: dict[str, Tensor]
) -> list[Tensor]:
    """Texts of one schedule, encoded in the plainest way: one chunk at a time, one row at a time.

    Embeddings get rows of their own in a copy of the encoder's token table.
    """
    encoder = copy.deepcopy(encoder)
    spare, places = 48_000, {}
    for name, rows in vectors.items():
        places[name] = range(spare, spare + len(rows))
        for row in rows:
            encoder.embeddings.token_embedding.weight[spare] = row
            spare += 1
    most = max(len(text) for text in texts)
    columns: list[list[Tensor]] = []
    for number in range(most):
        chunks = [text[number] if number < len(text) else [] for text in texts]
        before, after = [], []
        for chunk in chunks:
            ids, weights = [49406], [1.0]
            for word, weight in chunk:
                own = list(places.get(word) or tokenizer().encode(word))
                ids += own
                weights += [weight] * len(own)
            weights += [1.0] * (77 - len(ids))
            ids += [49407] * (77 - len(ids))
            states = encoder(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
            z = encoder.final_layer_norm(states[len(states) - clip_skip])[0]
            before.append(z)
            after.append(torch.stack([row * weight for row, weight in zip(z, weights, strict=True)]))
        scale = (torch.stack(before).double().mean() / torch.stack(after).double().mean()).float()
        columns.append([z * scale for z in after])
    return [torch.cat([column[n] for column in columns]) for n in range(len(texts))]


def agree(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("clip_skip", [1, 2, 3])
@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("", [[]]),
        ("a red house", [[("a red house", 1)]]),
        ("a (red:1.4) house", [[("a", 1), ("red", 1.4), ("house", 1)]]),
        ("a [red], ((house:0.5))", [[("a", 1), ("red", 1 / 1.1), (",", 1), ("house", 0.55)]]),
        ("a (b:1.5) BREAK house", [[("a", 1), ("b", 1.5)], [("house", 1)]]),
        ("cat " * 60 + ", (dog " * 1 + "dog " * 19 + ":1.2)", [[("cat " * 60 + ",", 1)], [("dog " * 20, 1.2)]]),
        ("(a:-1.5) cat", [[("a", -1.5), ("cat", 1)]]),
        ("a cat, EasyNegativeV2, (hand:1.3)", [[("a cat,", 1), ("EasyNegativeV2", 1), (",", 1), ("hand", 1.3)]]),
        ("hand " * 38, [[("hand", 1)] * 37, [("hand", 1)]]),
    ],
)
def test_conditioning_equals_the_plain_reference(
    encoder: CLIPTextModel, embeddings: EmbeddingFolder, text: str, spelled: Spelled, clip_skip: int
):
    vectors = {name: embeddings.vectors(name)[""] for name in ("EasyNegativeV2", "hand")}
    (expected,) = reference(encoder, [spelled], clip_skip, vectors)
    found = Conditioner(encoder, embeddings).encode([(text, clip_skip)])
    assert found.shape == (1, 77 * len(spelled), 32)
    agree(found[0], expected)


def test_texts_of_one_schedule_are_encoded_together(encoder: CLIPTextModel):
    """Shorter texts get empty chunks; the mean is restored over all, as often as they stand in the schedule."""
    (found,) = Conditioner(encoder).timelines([ConditioningRequest(text="[(a:1.5)|b|c BREAK d]", clip_skip=1, calls=4)])
    a, b, c = [[("a", 1.5)]], [[("b", 1)]], [[("c", 1)], [("d", 1)]]
    assert found.ends == (1, 2, 3, 4)
    for context, expected in zip(found.contexts, reference(encoder, [a, b, c, a], 1, {}), strict=True):
        agree(context, expected)


def test_a_schedule_switches_when_the_webui_does(encoder: CLIPTextModel):
    (found,) = Conditioner(encoder).timelines([ConditioningRequest(text="[a:b:3]", clip_skip=1, calls=10)])
    assert [found.number_at(call) for call in range(10)] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    (turns,) = Conditioner(encoder).timelines([ConditioningRequest(text="[a|b]", clip_skip=1, calls=5)])
    assert [turns.number_at(call) for call in range(5)] == [0, 0, 1, 2, 3]


# ----------------------------------------------------------------------------------------------------- the cache


def test_results_come_in_order_and_each_chunk_is_encoded_once(encoder: CLIPTextModel):
    conditioner = Conditioner(encoder)
    calls: list[int] = []
    hook = encoder.register_forward_hook(
        lambda module, args, kwargs, out: calls.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    both = conditioner.encode([("cat", 1), ("", 1), ("cat", 1), ("cat", 2)])
    again = conditioner.encode([("", 1), ("cat", 2), ("c\\at", 1)])  # the same text once parsed
    hook.remove()
    assert calls == [2, 1]
    assert len(conditioner) == 3
    assert torch.equal(both[0], both[2])
    assert torch.equal(again, both[[1, 3, 0]])
    assert not torch.equal(both[0], both[3])


def test_company_changes_a_conditioning_only_by_rounding(encoder: CLIPTextModel):
    texts = [("a (cat:1.3)", 1), ("[dog] x", 1), ("(a:0.4) photo", 1)]
    together = Conditioner(encoder).encode(texts)
    for text, row in zip(texts, together, strict=True):
        agree(Conditioner(encoder).encode([text])[0], row)


def test_nothing_is_stale_after_forget():
    encoder = tiny_model().text_encoder
    conditioner = Conditioner(encoder)
    before = conditioner.encode([("cat", 1)])
    encoder.final_layer_norm.weight.mul_(2)
    assert torch.equal(conditioner.encode([("cat", 1)]), before)
    conditioner.forget()
    assert not torch.allclose(conditioner.encode([("cat", 1)]), before)


def test_encoders_are_called_for_only_when_they_work(encoder: CLIPTextModel):
    entered: list[str] = []

    @contextmanager
    def at_work() -> Generator[None]:
        entered.append("came")
        try:
            yield
        finally:
            entered.append("left")

    conditioner = Conditioner(encoder, at_work=at_work)
    conditioner.encode([("cat", 1)])
    conditioner.encode([("cat", 1)])
    assert entered == ["came", "left"]
    with pytest.raises(RenderError, match="clip_skip"):
        conditioner.encode([("cat", 99)])
    assert entered == ["came", "left"] * 2


def test_the_encoder_stays_as_it_is(encoder: CLIPTextModel, embeddings: EmbeddingFolder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    Conditioner(encoder, embeddings).encode([("a hand", 1)])
    assert {name: value.shape for name, value in encoder.state_dict().items()} == {
        n: v.shape for n, v in before.items()
    }
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not encoder.embeddings.token_embedding._forward_hooks


def test_half_precision_comes_back_in_half():
    encoder = tiny_model().text_encoder.bfloat16()
    assert Conditioner(encoder).encode([("a (cat:1.3)", 1)]).dtype == torch.bfloat16


# -------------------------------------------------------------------------------------------------------- errors


def test_a_clip_skip_beyond_the_layers_is_refused(encoder: CLIPTextModel):
    with pytest.raises(RenderError, match="clip_skip = 4: the text encoder has 3 layers"):
        Conditioner(encoder).encode([("cat", 4)])


def test_a_broken_text_encoder_is_named():
    encoder = tiny_model().text_encoder
    encoder.final_layer_norm.bias[0] = float("nan")
    with pytest.raises(RenderError, match=r'NaN or infinite numbers for 1 of 1 chunks of text, first "cat".*BASE'):
        Conditioner(encoder).encode([("cat", 1)])


def test_weights_that_leave_no_mean_are_refused(encoder: CLIPTextModel):
    with pytest.raises(RenderError, match=r"mean of 0 or no number.*\(\[1\.0, .*\]\); change one"):
        Conditioner(encoder).encode([("(cat:1" + "0" * 60 + ")", 1)])


@pytest.mark.parametrize(("name", "width"), [("wide", "48"), ("pair", "32 and 48")])
def test_an_embedding_of_another_family_is_refused(
    encoder: CLIPTextModel, embeddings: EmbeddingFolder, name: str, width: str
):
    with pytest.raises(
        RenderError, match=f'"{name}" in .* has vectors of width {width}, and this text encoder takes 32'
    ):
        Conditioner(encoder, embeddings).encode([(f"a {name}", 1)])
    assert not encoder.embeddings.token_embedding._forward_hooks


# ------------------------------------------------------------------------------------------- two encoders, as SDXL


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """A tower in SDXL's manner: the second last layer without the norm, and a pooled text."""

    model: CLIPTextModel

    @property
    def base(self) -> CLIPTextModel:
        return self.model

    def read(self, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        found = self.model(input_ids=ids, output_hidden_states=True)
        return found.hidden_states[-2], found.pooler_output


def test_two_encoders_stand_side_by_side_with_weights_of_their_own(tmp_path: Path):
    first, second = tiny_model(1).text_encoder, tiny_model(2).text_encoder
    torch.manual_seed(9)
    rows = {"clip_l": torch.randn(2, 32), "clip_g": torch.randn(2, 32)}
    save_file(rows, tmp_path / "hand.safetensors")
    conditioner = Conditioner([Tower(model=first), Second(model=second)], EmbeddingFolder(tmp_path))
    (found,) = conditioner.timelines([ConditioningRequest(text="a (hand:1.3) BREAK [x:y:1]", clip_skip=1, calls=2)])
    spelled = [[[("a", 1), ("hand", 1.3)], [(word, 1)]] for word in ("x", "y")]
    left = reference(first, spelled, 1, {"hand": rows["clip_l"]})
    second_plain: Any = copy.deepcopy(second)
    second_plain.final_layer_norm = torch.nn.Identity()
    right = reference(second_plain, spelled, 2, {"hand": rows["clip_g"]})
    for context, one, other in zip(found.contexts, left, right, strict=True):
        assert context.shape == (154, 64)
        agree(context, torch.cat([one, other], dim=-1))
    assert found.pooled is not None
    (pooled,) = Conditioner([Second(model=second)]).timelines([ConditioningRequest(text="a", clip_skip=1)])
    assert pooled.pooled is not None
    assert pooled.pooled[0].shape == (32,)
    assert torch.equal(found.pooled[0], found.pooled[1])  # of the first chunk, which both texts share
    assert not torch.allclose(found.pooled[0], pooled.pooled[0])
