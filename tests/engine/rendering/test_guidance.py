from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.prompts.conditioner import Conditioner, ConditioningRequest
from engine.prompts.embeddings import EmbeddingFolder
from engine.rendering.conditioning_rows import Conditioning
from engine.rendering.guidance import Guidance, calls_of, is_guided
from engine.rendering.renderer import Renderer
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import TinyModel, tiny_model
from tests.engine.prompts.test_chunks import ARTICLE_NEGATIVE, ARTICLE_PROMPT
from tests.engine.rendering.test_renderer import COMPANY, Watched, model_with

SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=96, height=96, steps=4, cfg=3.5)
CPU = torch.device("cpu")
PROMPTS = (
    "a red house",
    "a (red:1.4) house",
    "[cat:dog:0.5] (x:0.7)",
    "[cat|dog|] in a field",
    "a cat AND a dog :0.6 AND BREAK b :-0.2",
    "cat " * 90,
    "a cat:1.5",
    ARTICLE_PROMPT,
)


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return tiny_model()


@pytest.fixture
def embeddings(tmp_path: Path) -> EmbeddingFolder:
    torch.manual_seed(9)
    for name, count in (("EasyNegativeV2", 8), ("negative_hand-neg", 6)):
        save_file({"emb_params": torch.randn(count, 32)}, tmp_path / f"{name}.safetensors")
    return EmbeddingFolder(tmp_path)


def by_hand(model: TinyModel, shot: Shot, stretches: list[list[tuple[str, float]]], negatives: list[str]) -> Tensor:
    """Euler a without noise would need another sampler: DPM++ 2M by its formulas, one UNet call a conditioning.

    ``stretches`` holds the composed texts of each step, ``negatives`` the negative's.
    """
    conditioner = Conditioner(model.text_encoder)
    unet, vae = (model.unet, model.vae)
    sigmas = sigmas_for(shot.sampler, shot.schedule, shot.steps, sd1_levels())
    x = torch.randn((1, 4, shot.height // 8, shot.width // 8), generator=torch.Generator().manual_seed(shot.seed))
    x, old = x * sigmas[0], None
    for step, (sigma, after) in enumerate(pairwise(sigmas)):
        time = torch.full((), sd1_levels().time_of(sigma))
        scaled = x / (1 + sigma * sigma) ** 0.5

        def denoised(context: Tensor) -> Tensor:
            return x - sigma * unet(scaled, time, encoder_hidden_states=context, return_dict=False)[0]  # noqa: B023

        base = denoised(conditioner.encode([(negatives[step], shot.clip_skip)]))
        guided = base.clone()
        contexts = [conditioner.encode([(text, shot.clip_skip)]) for text, _ in stretches[step]]
        longest = max(context.shape[1] for context in contexts)
        for context, (_, weight) in zip(contexts, stretches[step], strict=True):
            filled = torch.cat([context, context[:, -1:].repeat(1, longest - context.shape[1], 1)], 1)
            guided += (denoised(filled) - base) * weight * shot.cfg
        if after == 0:
            x = guided
        else:
            h = torch.log(torch.tensor(sigma / after))
            mixed = guided
            if old is not None:
                r = torch.log(torch.tensor(sigmas[step - 1] / sigma)) / h
                mixed = (1 + 1 / (2 * r)) * guided - old / (2 * r)
            x = after / sigma * x - torch.expm1(-h) * mixed
        old = guided
    decoder: Any = vae
    return (decoder.decode(x / 0.18215).sample / 2 + 0.5).clamp(0, 1)


def same(first: Tensor, second: Tensor) -> bool:
    return float((first - second).abs().max()) < COMPANY


# ------------------------------------------------------------------------------------------------ pictures by hand


@pytest.mark.parametrize(
    ("prompt", "negative", "stretches", "negatives"),
    [
        ("a cat AND a dog :0.5", "", [[("a cat", 1), (" a dog", 0.5)]] * 4, [""] * 4),
        ("a AND b BREAK c", "grey", [[("a", 1), (" b BREAK c", 1)]] * 4, ["grey"] * 4),
        ("a cat:1.5", "", [[("a cat", 1.5)]] * 4, [""] * 4),
        ("cat " * 90, "grey", [[("cat " * 90, 1)]] * 4, ["grey"] * 4),
        ("[cat:dog:1]", "", [[("cat", 1)], [("cat", 1)], [("dog", 1)], [("dog", 1)]], [""] * 4),
        ("[cat:dog:0.25]", "", [[("cat", 1)], [("cat", 1)], [("dog", 1)], [("dog", 1)]], [""] * 4),
        ("a", "[cat|dog]", [[("a", 1)]] * 4, ["cat", "cat", "dog", "cat"]),
        ("a <lora:x:1># note", "b AND c # note", [[("a", 1)]] * 4, ["b and c"] * 4),
    ],
)
def test_pictures_equal_those_made_by_hand(
    model: TinyModel, prompt: str, negative: str, stretches: list[list[tuple[str, float]]], negatives: list[str]
):
    shot = replace(SHOT, prompt=prompt, negative=negative)
    with torch.inference_mode():
        expected = by_hand(model, shot, stretches, negatives)
    assert same(Renderer(model).render([shot]), expected)


# -------------------------------------------------------------------------------------------------------- company


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_company_of_any_length_changes_a_picture_only_by_rounding(model: TinyModel, sampler: str):
    shots = [
        replace(SHOT, prompt=prompt, negative=negative, seed=seed, sampler=sampler, steps=3)
        for seed, (prompt, negative) in enumerate(zip(PROMPTS, cycle(("", "[a|b] BREAK c"))))
    ]
    renderer = Renderer(model)
    together = renderer.render(shots)
    alone = torch.cat([renderer.render([shot]) for shot in shots])
    assert same(together, alone)
    assert same(renderer.render(shots[::-1]).flip(0), alone)


def test_equal_lengths_share_a_call_and_others_do_not(model: TinyModel):
    unet = Watched(model.unet)
    shots = [
        replace(SHOT, steps=1),
        replace(SHOT, prompt="a AND b", steps=1),
        replace(SHOT, prompt="a BREAK b", steps=1),
    ]
    Renderer(model_with(model, unet=unet)).render(shots)
    assert unet.batches == [6, 1]  # three negatives and three short parts; the long prompt


def test_an_unguided_shot_takes_one_row_and_a_composed_one_all(model: TinyModel):
    unet = Watched(model.unet)
    renderer = Renderer(model_with(model, unet=unet))
    renderer.render([replace(SHOT, cfg=1, steps=1)])
    renderer.render([replace(SHOT, cfg=1, prompt="a AND b", steps=1)])
    renderer.render([replace(SHOT, cfg=2, prompt="a:0.5", steps=1)])
    assert unet.batches == [1, 3, 1]
    assert not is_guided(replace(SHOT, cfg=1))
    assert is_guided(replace(SHOT, cfg=1, prompt="a:1.5"))


def test_a_constant_context_is_made_once(model: TinyModel):
    guidance = Guidance([replace(SHOT, prompt="[a:b:2]")], Conditioner(model.text_encoder), CPU)
    seen: list[Tensor] = []

    def predict(rows: Tensor, given: Conditioning) -> Tensor:
        assert given.pooled is None
        seen.append(given.contexts)
        return torch.zeros(len(rows), 4, 12, 12)

    for call in range(4):
        guidance.noise(call, predict)
    assert seen[0] is seen[1] is seen[2]
    assert seen[3] is not seen[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """A tower that has a pooled text."""

    model: Any

    @property
    def base(self) -> Any:
        return self.model

    def read(self, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        found = self.model(input_ids=ids)
        return found.last_hidden_state, found.pooler_output


@pytest.mark.parametrize(("negative", "silent"), [("", True), ("# note", False), ("grey", False)])
def test_an_empty_negative_is_zeros_where_texts_are_pooled(model: TinyModel, negative: str, *, silent: bool):
    shots = [replace(SHOT, negative=negative), replace(SHOT, prompt="a AND b")]
    guidance = Guidance(shots, Conditioner([Pooling(model=model.text_encoder)]), CPU)
    seen: list[tuple[Tensor, Tensor | None]] = []

    def predict(rows: Tensor, given: Conditioning) -> Tensor:
        seen.append((given.contexts, given.pooled))
        return torch.zeros(len(rows), 4, 12, 12)

    guidance.noise(0, predict)
    ((contexts, pooled),) = seen
    assert pooled is not None
    assert contexts.shape == (5, 77, 32)
    assert pooled.shape == (5, 32)
    for value in (contexts, pooled):
        assert [bool((row == 0).all()) for row in value] == [silent, False, False, False, False]


def test_schedules_count_both_calls_of_a_step():
    assert [calls_of(name, 20) for name in ("Euler a", "DPM++ 2M", "Heun", "DPM2 a")] == [20, 20, 40, 40]


# ------------------------------------------------------------------------------------------------- the whole prompt


def test_the_articles_prompts_render_with_their_embeddings(model: TinyModel, embeddings: EmbeddingFolder):
    shot = replace(SHOT, prompt=ARTICLE_PROMPT, negative=ARTICLE_NEGATIVE, clip_skip=2)
    conditioner = Conditioner(model.text_encoder, embeddings)
    requests = [ConditioningRequest(text=text, clip_skip=2) for text in (ARTICLE_PROMPT, ARTICLE_NEGATIVE)]
    assert [timeline.tokens for timeline in conditioner.timelines(requests)] == [231, 77]
    pictures = Renderer(model, embeddings=embeddings).render([shot])
    assert float(pictures.std()) > 0.01
    assert not same(pictures, Renderer(model).render([shot]))


def test_nothing_touches_the_network(
    model: TinyModel, embeddings: EmbeddingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        tried.append(args)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("127.0.0.1", 9))
    tried.clear()
    shots = [replace(SHOT, prompt=prompt, negative=ARTICLE_NEGATIVE, steps=1) for prompt in PROMPTS]
    Renderer(model, embeddings=embeddings).render(shots)
    assert tried == []
