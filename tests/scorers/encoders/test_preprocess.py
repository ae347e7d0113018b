"""Preprocessing agrees with open_clip's, and files that are not pictures are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor

from scorers.encoders.preprocess import Resize, load_picture, load_pictures, prep
from scorers.errors import ScorerError

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


def picture(height: int, width: int) -> Image.Image:
    """A gradient, sharp stripes and noise: everything a resize can get wrong."""
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    smooth = np.stack([x / width, y / height, 1 - x / width], axis=2)
    stripes = ((x // 3 + y // 5) % 2)[..., None]
    mixed = 0.4 * smooth + 0.3 * stripes + 0.3 * rng.uniform(size=(height, width, 3))
    return Image.fromarray((mixed * 255).astype(np.uint8))


@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("shape", [(300, 517), (517, 300), (97, 96), (40, 61), (64, 64)])
def test_prep_is_within_a_grey_level_of_open_clip(shape: tuple[int, int], resize: Resize) -> None:
    image = picture(*shape)
    settings = PreprocessCfg(size=64, mean=MEAN, std=STD, interpolation="bicubic", resize_mode=resize)
    theirs: Tensor = cast("Any", image_transform_v2(settings, is_train=False))(image)
    x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
    ours = prep(x, 64, MEAN, STD, resize)[0]
    levels = (ours - theirs).abs() * torch.tensor(STD).view(3, 1, 1) * 255
    assert ours.shape == theirs.shape
    assert float(levels.max()) <= 1.1


def test_transparency_lies_on_white_and_exif_turns(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert load_picture(tmp_path / "clear.png").eq(1).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (8, 4), "red").save(tmp_path / "turned.png", exif=exif)
    assert load_picture(tmp_path / "turned.png").shape == (3, 8, 4)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 32768, dtype=np.uint16)).save(tmp_path / "grey.png")
    assert load_picture(tmp_path / "grey.png").mean() == pytest.approx(0.5, abs=1e-3)


def test_every_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    good, text, cut = tmp_path / "good.png", tmp_path / "notes.png", tmp_path / "cut.png"
    picture(64, 64).save(good)
    text.write_text("not a picture")
    cut.write_bytes(good.read_bytes()[:2000])
    with pytest.raises(ScorerError) as caught:
        load_pictures([good, text, cut, tmp_path / "gone.png", tmp_path])
    message = str(caught.value)
    assert "the references: 4 problems" in message
    assert all(str(path) in message for path in (text, cut, tmp_path / "gone.png"))
    assert str(good) not in message
