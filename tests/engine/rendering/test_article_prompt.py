"""The article's prompt and negative with embeddings of SDXL's two widths, on a tiny SDXL model.

The sample world renders them with SD1's in tests/studies/night/test_embeddings.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.engine import Engine
from engine.recipes.recipe import Recipe, SelfStep
from engine.shots.shot import Shot
from tests.engine.models.tiny_families import TINY_SDXL, write_family
from tests.engine.prompts.test_chunks import ARTICLE_NEGATIVE, ARTICLE_PROMPT

SHOT = Shot(prompt=ARTICLE_PROMPT, negative=ARTICLE_NEGATIVE, seed=1441085789, width=64, height=64, steps=2, cfg=4.0)
AS_IT_IS = Recipe(steps=(SelfStep(factors=()),), family="sdxl")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("xl") / "xl.safetensors", "sdxl", 1)


def embeddings(folder: Path, *, seed_l: int = 1, seed_g: int = 2) -> Path:
    """Random vectors under the names that the article's negative has: 8 and 6 of them for each encoder."""
    folder.mkdir()
    for name, count in (("EasyNegativeV2", 8), ("negative_hand-neg", 6)):
        pair = {
            encoder: torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) * 0.3
            for encoder, width, seed in (("clip_l", TINY_SDXL.text, seed_l), ("clip_g", TINY_SDXL.text_g, seed_g))
        }
        save_file(pair, folder / f"{name}.safetensors")
    return folder


def picture(model: Path, folder: Path | None) -> Tensor:
    with Engine.open({"A": model}, device="cpu", embeddings=folder) as engine:
        engine.build(AS_IT_IS)
        first = engine.render([SHOT])
        assert torch.equal(engine.render([SHOT]), first)
        return first


def test_it_renders_on_sdxl_and_each_encoder_hears_the_embeddings(model: Path, tmp_path: Path) -> None:
    usual = picture(model, embeddings(tmp_path / "usual"))
    assert float(usual.std()) > 0.01
    others = (
        picture(model, None),
        picture(model, embeddings(tmp_path / "l", seed_l=3)),
        picture(model, embeddings(tmp_path / "g", seed_g=3)),
    )
    for other in others:
        assert float((other - usual).abs().max()) > 1e-3
