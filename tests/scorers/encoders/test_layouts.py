"""Every layout that encoders are published in gives the numbers of the library that it was made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from scorers.catalogue import lookup as catalogue
from scorers.catalogue.published import KnownEncoder, PublishedFile
from scorers.catalogue.sources import EncoderFiles
from scorers.catalogue.tensor_files import sha256_of
from scorers.encoders.build import _empty
from scorers.encoders.encoder import Encoder
from scorers.encoders.files import read_config
from scorers.encoders.opened import Encoders
from scorers.encoders.preprocess import prep
from scorers.errors import ScorerError
from tests.scorers.tiny_encoders import (
    csd_of,
    embedded,
    rewritten,
    transformers_clip,
    write_torchscript,
    write_training_checkpoint,
)

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(3, 3, 80, 64, generator=torch.Generator().manual_seed(0))


def refused(config: str | Path, weights: Path) -> str:
    with pytest.raises(ScorerError) as caught:
        Encoder.open(config, weights)
    return str(caught.value)


def _known(monkeypatch: pytest.MonkeyPatch, path: Path, architecture: str = "ViT-L-14-quickgelu") -> None:
    """Put a file into the catalogue, as the weights of an encoder ``tiny``."""
    file = PublishedFile(name=path.name, source="https://example.org/x", licence="MIT", sha256=sha256_of(path))
    one = KnownEncoder(name="tiny", title="Tiny", architecture=architecture, files=(file,))
    monkeypatch.setattr(catalogue, "ENCODERS", (*catalogue.ENCODERS, one))


# ------------------------------------------------------------------------------------------------- transformers


@pytest.mark.parametrize("quick", [True, False])
def test_transformers_weights_give_what_transformers_gives(
    clip_config: dict[str, Any], images: Tensor, tmp_path: Path, quick: bool
) -> None:
    clip_config["quick_gelu"] = quick
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(clip_config))
    model = transformers_clip(clip_config)
    state = {**model.state_dict(), "vision_model.embeddings.position_ids": torch.arange(65)[None]}
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "model.safetensors")
    torch.save(state, tmp_path / "pytorch_model.bin")
    encoder = Encoder.open(config, tmp_path / "model.safetensors")
    preprocess = read_config(config).preprocess
    with torch.inference_mode():
        pixels = prep(images, 64, preprocess["mean"], preprocess["std"])
        pictures = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        tokens = encoder._tokenizer(["a red cat", "two trees"])  # type: ignore[misc]
        words = model.text_projection(model.text_model(input_ids=tokens).pooler_output)
    assert (embedded(encoder, images) - F.normalize(pictures, dim=-1)).abs().max() < 2e-6
    assert (encoder.embed_texts(["a red cat", "two trees"]) - F.normalize(words, dim=-1)).abs().max() < 2e-6
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-6)
    again = Encoder.open(config, tmp_path / "pytorch_model.bin")
    assert torch.equal(embedded(again, images), embedded(encoder, images))


def test_half_a_transformers_model_is_refused(clip_config: dict[str, Any], clip_files: Files, tmp_path: Path) -> None:
    state = transformers_clip(clip_config).state_dict()
    del state["vision_model.encoder.layers.0.self_attn.k_proj.weight"]
    torch.save(state, tmp_path / "cut.bin")
    assert "not of a whole CLIPModel (visual.transformer.resblocks.0.attn.in_proj_weight)" in refused(
        clip_files[0], tmp_path / "cut.bin"
    )
    siglip = {"vision_model.head.probe": torch.zeros(1, 1, 8), "vision_model.post_layernorm.weight": torch.ones(8)}
    torch.save(siglip, tmp_path / "siglip.bin")
    assert "take the open_clip file" in refused(clip_files[0], tmp_path / "siglip.bin")


# ---------------------------------------------------------------------------------------------------------- CSD


@pytest.fixture(scope="module")
def csd(clip_files: Files) -> dict[str, Tensor]:
    return csd_of(load_file(clip_files[1]))


def test_csd_gives_style_and_content_of_one_pass(
    clip_files: Files, csd: dict[str, Tensor], images: Tensor, tmp_path: Path
) -> None:
    path = write_training_checkpoint(tmp_path / "pytorch_model.bin", csd)
    encoders = Encoders.open({"csd": EncoderFiles(config=clip_files[0], weights=path)})
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    encoders["csd"]._visual.register_forward_hook(count)
    found = encoders.embed(images, ["csd", "csd/content", "csd/pooled"])
    assert (seen, list(found)) == (1, ["csd", "csd/content", "csd/pooled"])
    pooled = Encoder.open(*clip_files).embed(images, ["pooled"])["pooled"]
    for name, matrix in {"csd": "last_layer_style", "csd/content": "last_layer_content"}.items():
        # The published formula: pooled output of the backbone, times the matrix, normalised; scale drops out.
        expected = F.normalize(pooled @ csd[matrix], dim=-1)
        assert (torch.from_numpy(found[name]) - expected).abs().max() < 2e-6
    assert not encoders["csd"].reads_text
    assert len(set(encoders.versions(found).values())) == 1
    with pytest.raises(ScorerError, match="gives no embedding 'csd/colour'"):
        encoders.versions(["csd/colour"])


def test_csd_as_safetensors_is_the_same(
    clip_files: Files, csd: dict[str, Tensor], images: Tensor, tmp_path: Path
) -> None:
    save_file({key: value.contiguous() for key, value in csd.items()}, tmp_path / "model.safetensors")
    one = Encoder.open(clip_files[0], write_training_checkpoint(tmp_path / "csd.bin", csd))
    other = Encoder.open(clip_files[0], tmp_path / "model.safetensors")
    assert torch.equal(embedded(one, images), embedded(other, images))
    assert one.version != other.version


def test_csd_and_clip_are_not_taken_for_each_other(clip_files: Files, csd: dict[str, Tensor], tmp_path: Path) -> None:
    path = write_training_checkpoint(tmp_path / "csd.bin", csd)
    assert "weights of CSD, not of clip-l; name the file csd" in refused("clip-l", path)
    assert "no weights of csd: last_layer_style and last_layer_content are missing" in refused("csd", clip_files[1])


# ------------------------------------------------------------------------------------------- number formats, parts


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_computed_in_float32(
    clip_files: Files, images: Tensor, tmp_path: Path, dtype: torch.dtype
) -> None:
    state = load_file(clip_files[1])
    # As published: matrices in half precision, norms in single.
    mixed = {key: value if "ln_" in key else value.to(dtype) for key, value in state.items()}
    save_file(mixed, tmp_path / "half.safetensors")
    save_file({key: value.float() for key, value in mixed.items()}, tmp_path / "single.safetensors")
    half, single = (Encoder.open(clip_files[0], tmp_path / f"{n}.safetensors") for n in ("half", "single"))
    assert embedded(half, images).dtype == torch.float32
    assert torch.equal(embedded(half, images), embedded(single, images))


def test_without_text_the_pictures_are_the_same_and_the_text_side_is_gone(
    clip_files: Files, images: Tensor, encoder: Encoder, tmp_path: Path
) -> None:
    blind = Encoder.open(*clip_files, text=False)
    assert torch.equal(embedded(blind, images), embedded(encoder, images))
    assert (blind.reads_text, blind._text, blind.version) == (False, None, encoder.version)
    with pytest.raises(ScorerError, match="reads no text"):
        blind.embed_texts(["a cat"])
    words = [key for key in load_file(clip_files[1]) if not key.startswith("visual.")]
    cut = rewritten(clip_files[1], tmp_path / "cut.safetensors", **{key.replace(".", "__"): None for key in words})
    assert torch.equal(embedded(Encoder.open(clip_files[0], cut, text=False), images), embedded(encoder, images))
    assert "missing: " in refused(clip_files[0], cut)


def test_pooled_is_what_the_projection_is_applied_to(clip_files: Files, encoder: Encoder, images: Tensor) -> None:
    found = encoder.embed(images, ["pooled", ""])
    projected = F.normalize(found["pooled"] @ load_file(clip_files[1])["visual.proj"], dim=-1)
    assert (projected - found[""]).abs().max() < 2e-6
    assert {view: tensor.shape[1] for view, tensor in found.items()} == {"pooled": 96, "": 64}
    assert (encoder.width("pooled"), encoder.width("")) == (96, 64)
    with pytest.raises(ScorerError, match="has no 'content'"):
        encoder.embed(images, ["content"])


def test_the_file_may_be_written_over_while_it_is_in_use(clip_files: Files, images: Tensor, tmp_path: Path) -> None:
    path = rewritten(clip_files[1], tmp_path / "own.safetensors")
    mine = Encoder.open(clip_files[0], path)
    before = embedded(mine, images)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(embedded(mine, images), before)


# ---------------------------------------------------------------------------------------------------- TorchScript


def test_torchscript_is_opened_only_under_a_published_hash(
    clip_files: Files, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_torchscript(tmp_path / "ViT-L-14.pt", load_file(clip_files[1]))
    assert "a TorchScript program that nobody published" in refused(clip_files[0], path)
    _known(monkeypatch, path)
    state = {key: value.half() for key, value in load_file(clip_files[1]).items()}
    save_file(state, tmp_path / "half.safetensors")
    expected = embedded(Encoder.open(clip_files[0], tmp_path / "half.safetensors"), images)
    assert torch.equal(embedded(Encoder.open(clip_files[0], path), images), expected)


# ------------------------------------------------------------------------------------------------- known encoders


def test_a_published_file_tells_a_wrong_activation(
    clip_files: Files, clip_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _known(monkeypatch, clip_files[1])
    Encoder.open(*clip_files)
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps({**clip_config, "quick_gelu": False}))
    message = refused(plain, clip_files[1])
    assert "needs the architecture ViT-L-14-quickgelu, not plain: the activation differs" in message
    assert "weights of encoder tiny (Tiny), not of openclip-h" in refused("openclip-h", clip_files[1])


@pytest.mark.parametrize("known", catalogue.ENCODERS, ids=lambda known: known.name)
def test_known_encoders_are_open_clips(known: KnownEncoder) -> None:
    config = read_config(known.name)
    model = _empty(config)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert (getattr(model.visual, "proj", None) is not None) == ("pooled" in known.views)
    assert bool(config.model.get("quick_gelu")) == (known.name == "csd" or known.name.startswith("clip-"))
    text = config.model["text_cfg"]
    assert known.name == "csd" or known.reads_text == ("hf_tokenizer_name" not in text)
    persistent = set(model.state_dict())
    others = {name for name, _ in model.named_buffers() if name not in persistent}
    assert others <= {"attn_mask"}, "buffers that no file has and that nothing here makes"


def test_preprocessing_of_known_encoders_is_the_published_one() -> None:
    import open_clip

    published = open_clip.get_pretrained_cfg("ViT-SO400M-14-SigLIP-384", "webli")
    siglip = read_config("siglip-so400m").preprocess
    assert {key: siglip[key] for key in ("mean", "std", "resize_mode")} == {
        "mean": list(published["mean"]), "std": list(published["std"]), "resize_mode": published["resize_mode"]
    }  # fmt: skip
    assert read_config("hpsv2.1").preprocess["resize_mode"] == "longest"
    assert read_config("clip-l").preprocess["mean"] == list(open_clip.OPENAI_DATASET_MEAN)
    assert read_config("pick").name == "pickscore"
