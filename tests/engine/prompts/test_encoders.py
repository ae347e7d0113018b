"""How the families read their text encoders, against open_clip's own and against the plainest reading."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from engine.architecture.configs import ModelFamily
from engine.architecture.layout import Widths
from engine.architecture.widths import END, SD2_TEXT, SDXL_TEXT_G
from engine.errors import RenderError
from engine.prompts.chunks import chunks_of
from engine.prompts.conditioner import Conditioner, ConditioningRequest
from engine.prompts.encoders import Tower, padded_after_end, sizes_of, towers_of
from tests.engine.models.tiny_families import TINY_SD2, TINY_SDXL, family_modules, family_tensors
from tests.engine.models.tiny_models import tiny_model

TEXTS = ["a red house", "", "the cat sat on the mat " * 3]


class Models:
    """Text encoders out of a family's modules."""

    def __init__(self, parts: Any) -> None:
        self.text_encoder, self.text_encoder_g = parts["text"], parts.get("text_g")


@pytest.fixture(scope="module")
def sd2() -> tuple[Tower, ...]:
    return towers_of(Models(family_modules("sd2", 1)), ModelFamily(widths=TINY_SD2))


@pytest.fixture(scope="module")
def sdxl() -> tuple[Tower, ...]:
    return towers_of(Models(family_modules("sdxl", 1)), ModelFamily(widths=TINY_SDXL))


def ids_of(texts: list[str]) -> Tensor:
    return torch.tensor([chunks_of(text, None)[0].ids for text in texts])


def open_clip_model(widths: Widths, prefix: str, family: str) -> Any:
    """open_clip's own model with the text tensors of a tiny checkpoint, under their own names."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    encoder = next(encoder for encoder in widths.encoders if encoder.prefix == prefix)
    text = CLIPTextCfg(
        context_length=77, vocab_size=49408, width=encoder.width, heads=1, layers=encoder.layers, mlp_ratio=2
    )
    model = CLIP(encoder.width, CLIPVisionCfg(layers=1, width=64, image_size=32, patch_size=32), text)
    tensors = family_tensors(widths, family_modules(cast("Any", family), 1), torch.float32)
    own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    missing, unknown = model.load_state_dict(own, strict=False)
    assert unknown == []
    assert all(name.startswith("visual.") for name in missing)
    return model.eval()


def states_of(model: Any, ids: Tensor) -> list[Tensor]:
    """What comes out of each of open_clip's layers."""
    x, found = model.token_embedding(ids) + model.positional_embedding, list[Tensor]()
    for block in model.transformer.resblocks:
        x = block(x, attn_mask=model.attn_mask)
        found.append(x)
    return found


def padded(texts: list[str]) -> Tensor:
    """Start, text, end, zeros: as open_clip's tokenizer does it."""
    import open_clip

    return open_clip.tokenize(texts)


@torch.no_grad()
def test_sd2_reads_openclip_as_openclip_reads_itself(sd2: tuple[Tower, ...]) -> None:
    model = open_clip_model(TINY_SD2, SD2_TEXT, "sd2")
    (tower,) = sd2
    found, pooled = tower.read(ids_of(TEXTS))
    torch.testing.assert_close(found, model.ln_final(states_of(model, padded(TEXTS))[-1]), rtol=1e-4, atol=1e-5)
    assert pooled is None


@torch.no_grad()
def test_sdxl_reads_the_second_last_layer_and_pools_as_openclip(sdxl: tuple[Tower, ...]) -> None:
    model = open_clip_model(TINY_SDXL, SDXL_TEXT_G, "sdxl")
    found, pooled = sdxl[1].read(ids_of(TEXTS))
    torch.testing.assert_close(found, states_of(model, padded(TEXTS))[-2], rtol=1e-4, atol=1e-5)
    assert pooled is not None
    torch.testing.assert_close(pooled, model.encode_text(padded(TEXTS)), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_sdxl_reads_clip_l_without_the_final_norm(sdxl: tuple[Tower, ...]) -> None:
    model: Any = sdxl[0].model
    found, pooled = sdxl[0].read(ids_of(TEXTS))
    assert torch.equal(found, model(ids_of(TEXTS), output_hidden_states=True).hidden_states[-2])
    assert pooled is None


@torch.no_grad()
def test_clip_skip_means_nothing_to_the_others(sd2: tuple[Tower, ...], sdxl: tuple[Tower, ...]) -> None:
    for tower in (*sd2, *sdxl):
        assert torch.equal(tower.read(ids_of(TEXTS), 1)[0], tower.read(ids_of(TEXTS), 12)[0])
    with pytest.raises(RenderError, match="clip_skip = 12: the text encoder has 3 layers"):
        Tower(model=tiny_model().text_encoder).read(ids_of(TEXTS), 12)


def test_the_pooled_text_is_where_the_text_ends_and_not_at_the_highest_id(sdxl: tuple[Tower, ...]) -> None:
    """An embedding's tokens have ids of their own choosing; nothing but the first end may say where to look."""
    model: Any = sdxl[1].model
    assert model.config.eos_token_id == END
    twice = ids_of(["a red house"])
    twice[0, 40:] = 5
    _, first = sdxl[1].read(ids_of(["a red house"]))
    _, second = sdxl[1].read(twice)
    assert first is not None
    assert second is not None
    assert torch.equal(first, second)


def test_filling_begins_after_the_first_end() -> None:
    ids = ids_of(["a red house"])
    assert padded_after_end(ids, END) is ids
    found = padded_after_end(ids, 0)[0].tolist()
    assert found[:5] == ids[0, :5].tolist()
    assert found[4] == END
    assert found[5:] == [0] * 72
    assert torch.equal(padded_after_end(ids_of(TEXTS), 0), padded(TEXTS).to(ids.dtype))


def test_sizes_are_height_before_width_without_crop() -> None:
    found = sizes_of([(1216, 832), (64, 128)], torch.device("cpu"))
    assert found.tolist() == [[832, 1216, 0, 0, 832, 1216], [128, 64, 0, 0, 128, 64]]


def test_a_conditioner_puts_encoders_side_by_side_and_pools(sdxl: tuple[Tower, ...], sd2: tuple[Tower, ...]) -> None:
    conditioner = Conditioner(sdxl)
    requests = [ConditioningRequest(text=text, clip_skip=1) for text in TEXTS]
    context = conditioner.encode([(text, 1) for text in TEXTS])
    pooled = [timeline.pooled for timeline in conditioner.timelines(requests)]
    assert context.shape == (3, 77, 64 + 96)
    assert [row[0].shape for row in pooled if row] == [(96,)] * 3
    for number, tower in enumerate(sdxl):
        with torch.no_grad():
            torch.testing.assert_close(context[..., (slice(64), slice(64, None))[number]], tower.read(ids_of(TEXTS))[0])
    assert [timeline.pooled for timeline in Conditioner(sd2).timelines(requests)] == [None] * 3


def test_broken_pooled_texts_are_refused(sdxl: tuple[Tower, ...]) -> None:
    broken = family_modules("sdxl", 1)
    with torch.no_grad():
        broken["text_g"].get_parameter("text_projection.weight").fill_(float("nan"))
    towers = towers_of(Models(broken), ModelFamily(widths=TINY_SDXL))
    with pytest.raises(RenderError, match="the text encoder gives NaN"):
        Conditioner(towers).encode([("a cat", 1)])


def test_one_encoder_is_read_as_sd1_does() -> None:
    model = tiny_model().text_encoder
    alone = Conditioner(model).encode([("a cat", 2)])
    assert torch.equal(alone, Conditioner([Tower(model=model)]).encode([("a cat", 2)]))
