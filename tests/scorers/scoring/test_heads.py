"""Heads: the numbers of the modules they were published with, and never another head than was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from scorers.catalogue import lookup as catalogue
from scorers.errors import ScorerError
from scorers.scoring.heads import FINGERPRINTS, LAYOUTS, HeadScorer, published_name, read_head
from tests.scorers.plain_features import features_of
from tests.scorers.tiny_heads import HIDDEN, module, write_head

WIDTH = 768


def embeddings(count: int = 5, width: int = WIDTH) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(1)), dim=-1)


def rating(name: str, path: Path) -> HeadScorer:
    return HeadScorer(name, catalogue.choice(name).scorer, path, "clip")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_head_rates_as_the_module_it_was_published_with(layout: str, tmp_path: Path) -> None:
    published = write_head(tmp_path / "head.pth", layout, WIDTH)
    x = embeddings()
    head = read_head(tmp_path / "head.pth", layout)
    np.testing.assert_allclose(head.rate(x.numpy()), published.double()(x.double())[:, 0].numpy(), rtol=0, atol=1e-12)
    assert np.ptp(head.rate(x.numpy())) > 1e-4
    assert head.width == WIDTH
    assert (head.fingerprint is None) == (layout in {"five layers with ReLU", "three layers to a sigmoid"})


def test_the_scorers_formula_is_that_of_float32_too(tmp_path: Path) -> None:
    """The published code runs in float32; multiplying the layers out loses nothing that it had."""
    published = write_head(tmp_path / "head.pth", "five linear layers", WIDTH)
    x = embeddings()
    got = rating("laion", tmp_path / "head.pth")(features_of(x.numpy()))
    np.testing.assert_allclose(got, published(x)[:, 0].numpy(), atol=1e-5)


def test_safetensors_and_half_precision_are_read(tmp_path: Path) -> None:
    state = {key: value.bfloat16() for key, value in module("scoring head", 1152).state_dict().items()}
    torch.save(state, tmp_path / "head.pth")
    save_file(state, tmp_path / "head.safetensors")
    x = embeddings(width=1152).numpy()
    one, other = (read_head(tmp_path / f"head.{end}", "scoring head") for end in ("pth", "safetensors"))
    np.testing.assert_array_equal(one.rate(x), other.rate(x))


def test_low_is_good_is_turned_round(tmp_path: Path) -> None:
    write_head(tmp_path / "head.pth", "five linear layers", WIDTH)
    features = features_of(embeddings().numpy())
    np.testing.assert_array_equal(
        rating("artifacts", tmp_path / "head.pth")(features), -rating("rating", tmp_path / "head.pth")(features)
    )


def test_no_embedding_is_no_rating(tmp_path: Path) -> None:
    write_head(tmp_path / "head.pth", "five layers with ReLU", WIDTH)
    x = embeddings().numpy()
    x[2] = np.nan
    got = rating("laion-relu", tmp_path / "head.pth")(features_of(x))
    assert list(np.isnan(got)) == [False, False, True, False, False]


def test_version_is_the_file(tmp_path: Path) -> None:
    for name, width in (("a", WIDTH), ("b", 512)):
        write_head(tmp_path / f"{name}.pth", "one linear layer", width)
    versions = [rating("laion-v1", tmp_path / f"{name}.pth").version for name in "aba"]
    assert versions[0] == versions[2] != versions[1]


# ------------------------------------------------------------------------------------------------------ refusals


def refused(name: str, path: Path) -> str:
    with pytest.raises(ScorerError) as caught:
        rating(name, path)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_is_refused_by_name(layout: str, tmp_path: Path) -> None:
    write_head(tmp_path / "head.pth", layout, WIDTH)
    wanted = "laion" if layout != "five linear layers" else "laion-relu"
    owners = [scorer.name for scorer in catalogue.SCORERS if scorer.layout == layout]
    message = refused(wanted, tmp_path / "head.pth")
    assert f"it has the layout {layout!r}" in message
    assert f"as have the heads of {', '.join(owners)}" in message


def test_files_that_are_no_heads(tmp_path: Path) -> None:
    path = tmp_path / "head.pth"
    torch.save({"conv1.weight": torch.zeros(3, 3)}, path)
    assert "it has conv1.weight, ...; take another file" in refused("laion", path)
    state = module("five linear layers", WIDTH).state_dict()
    torch.save({**state, "layers.4.weight": torch.zeros(64, 64)}, path)
    assert "do not fit each other" in refused("laion", path)
    torch.save({**state, "layers.7.bias": torch.tensor([torch.nan])}, path)
    assert "damaged" in refused("laion", path)
    assert "no such weights file" in refused("laion", tmp_path / "gone.pth")


def _with_fingerprint(path: Path, norm: float, bias: float) -> None:
    """A head of five layers that multiply out to a vector of that length and that bias."""
    vector = embeddings(1)[0].double() * norm
    state = {}
    for number, (outputs, inputs) in zip(
        (0, 2, 4, 6, 7), [*zip(HIDDEN, (WIDTH, *HIDDEN), strict=False), (1, 16)], strict=True
    ):
        weight = torch.zeros(outputs, inputs, dtype=torch.float64)
        weight[0] = vector if inputs == WIDTH else torch.eye(inputs, dtype=torch.float64)[0]
        state |= {f"layers.{number}.weight": weight, f"layers.{number}.bias": torch.zeros(outputs, dtype=torch.float64)}
    state["layers.7.bias"][0] = bias
    torch.save(state, path)


def test_a_published_head_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "head.pth"
    _with_fingerprint(path, *FINGERPRINTS["sac+logos+ava1-l14-linearMSE.pth"])
    assert published_name(read_head(path, "five linear layers")) == "sac+logos+ava1-l14-linearMSE.pth"
    assert rating("laion", path).needs == {"embedding:clip"}
    message = refused("chad", path)
    assert "this is sac+logos+ava1-l14-linearMSE.pth, of laion, not of chad; write laion" in message
    _with_fingerprint(path, 17.99, 5.23664)
    assert published_name(read_head(path, "five linear layers")) is None
    rating("chad", path)


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    write_head(tmp_path / "head.pth", "five linear layers", 1280)
    with pytest.raises(
        ScorerError, match=r"head of rating rates embeddings of 1280 numbers, clip has 64; write rating@"
    ):
        rating("rating", tmp_path / "head.pth").check_width(64)
    rating("rating", tmp_path / "head.pth").check_width(1280)
