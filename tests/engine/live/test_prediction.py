"""What models predict: SD2's by the WebUI's test, all others by marks; kinds that cannot be rendered are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.checkpoint import open_checkpoint, open_complete
from engine.engine import Engine
from engine.errors import CheckpointError, EngineError
from engine.live.prediction import model_marks, predicts_v
from engine.recipes.recipe import Recipe, SelfStep
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import family_modules, write_family
from tests.engine.models.tiny_models import NARROWEST

BIAS = "model.diffusion_model.out.2.bias"


def changed(path: Path, out: Path, *, add: float = 0.0, metadata: dict[str, str] | None = None) -> Path:
    """The same model, whose UNet returns so much more."""
    content = load_file(path)
    content[BIAS] = content[BIAS] + add
    save_file(content, out, metadata=metadata)
    return out


@pytest.fixture(scope="module")
def epsilon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SD2 checkpoint whose UNet returns about what it is given, at the last time of the test."""
    folder = tmp_path_factory.mktemp("sd2")
    return write_family(folder / "epsilon.safetensors", "sd2", 1)


@pytest.fixture(scope="module")
def v(epsilon: Path) -> Path:
    """One whose UNet returns far less."""
    return changed(epsilon, epsilon.parent / "v.safetensors", add=-8.0)


def test_the_test_is_the_webuis(epsilon: Path, v: Path) -> None:
    """The same sum by hand: a latent and a conditioning of halves, at time 999; below -1 it is v."""
    unet = family_modules("sd2", 1)["unet"]
    assert isinstance(unet, UNet2DConditionModel)
    latent: Tensor = torch.ones(1, 4, 8, 8) * 0.5
    with torch.no_grad():
        output = unet(latent, torch.tensor([999]), torch.ones(1, 2, 64) * 0.5).sample
    mean = float((output - latent).mean())
    for add in (-1.02 - mean, -0.98 - mean):
        shifted = changed(epsilon, epsilon.parent / "shifted.safetensors", add=add)
        assert predicts_v(open_checkpoint(shifted)) is (mean + add < -1)
    assert not predicts_v(open_checkpoint(epsilon))
    assert predicts_v(open_checkpoint(v))


def prediction(models: dict[str, Path], chosen: str = "auto") -> str:
    with Engine.open(models, device="cpu", prediction=chosen) as engine:
        return engine.weights.live.family.prediction


def test_sd2_models_that_predict_v_are_found(epsilon: Path, v: Path) -> None:
    assert prediction({"A": epsilon}) == "epsilon"
    assert prediction({"A": v, "B": v}) == "v"
    assert prediction({"A": v}, "epsilon") == "epsilon"
    with pytest.raises(EngineError, match=r"different predictions \(A nothing, B v_pred\)"):
        Engine.open({"A": epsilon, "B": v}, device="cpu")


def test_metadata_spares_the_test(epsilon: Path, v: Path, tmp_path: Path) -> None:
    said = {"modelspec.predict_key": "v"}
    marked = changed(epsilon, tmp_path / "marked.safetensors", metadata=said)
    plain = changed(v, tmp_path / "plain.safetensors", metadata={"modelspec.prediction_type": "epsilon"})
    found = model_marks({"A": open_checkpoint(marked), "B": open_checkpoint(plain)})
    assert found == {"A": {"v_pred"}, "B": frozenset()}


def test_zero_terminal_noise_levels_can_be_set_by_hand(tmp_path: Path) -> None:
    plain = write_tiny(tmp_path / "plain.safetensors", 1, widths=NARROWEST)
    marked = tmp_path / "marked.safetensors"
    save_file(load_file(plain) | {"ztsnr": torch.zeros(0)}, marked)
    for path, ztsnr, highest in (
        (plain, "auto", 14.6), (plain, "on", 4518.8), (marked, "auto", 4518.8), (marked, "off", 14.6),
    ):  # fmt: skip
        with Engine.open({"A": path}, device="cpu", ztsnr=ztsnr) as engine:
            engine.build(Recipe(steps=(SelfStep(factors=()),)))
            assert engine.denoiser.levels.highest == pytest.approx(highest, abs=0.1)
    with pytest.raises(EngineError, match=r'ztsnr: is not known \("yes"\)'):
        Engine.open({"A": plain}, device="cpu", ztsnr="yes")


@pytest.mark.parametrize("key", ["edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min"])
def test_models_with_edm_noise_levels_are_merged_but_not_rendered(key: str, tmp_path: Path) -> None:
    path = tmp_path / "edm.safetensors"
    save_file(load_file(write_tiny(path, 1, widths=NARROWEST)) | {key: torch.ones(4)}, path)
    assert key in open_checkpoint(path).tensors
    with pytest.raises(CheckpointError, match=f"edm.safetensors: {key} .*EDM's noise levels.*; merge it without"):
        open_complete(path)
    for chosen in ("auto", "epsilon", "v"):
        with pytest.raises(CheckpointError, match="EDM's noise levels"):
            Engine.open({"A": path}, device="cpu", prediction=chosen)
