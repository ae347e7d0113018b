"""Every file that Pillow reads is a picture, upright and on white, within a limit of memory."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scorers import picture_files
from scorers.encoders.preprocess import load_picture
from scorers.errors import ScorerError
from scorers.picture_files import is_picture, kept_size, read_image, read_pixels

RED, WHITE = (255, 0, 0), (255, 255, 255)


def two_colours(size: tuple[int, int] = (32, 24)) -> Image.Image:
    """Red, its upper left quarter clear."""
    picture = Image.new("RGBA", size, (*RED, 255))
    picture.paste((0, 0, 255, 0), (0, 0, size[0] // 2, size[1] // 2))
    return picture


@pytest.mark.parametrize(
    "suffix", [".png", ".avif", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".jp2", ".qoi", ".tga", ".ppm"]
)
def test_every_format_of_pillow_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (32, 24), RED).save(path)
    assert is_picture(path)
    assert np.abs(read_pixels(path, ScorerError).astype(int) - RED).max() < 8


@pytest.mark.parametrize("name", ["a", "a.txt", "a.jpg", "a.safetensors"])
def test_the_content_says_what_a_picture_is(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (32, 24), RED).save(tmp_path / name, format="PNG")
    assert is_picture(tmp_path / name)
    assert read_pixels(tmp_path / name, ScorerError).shape == (24, 32, 3)


@pytest.mark.parametrize(
    "content", [b"", b"a caption", b"\n\x00\x00\x00 more", b"PK\x03\x04", b"{}", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
@pytest.mark.parametrize("name", ["a", "a.txt", "a.npz"])
def test_other_files_are_no_pictures(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content * 100)
    assert not is_picture(tmp_path / name)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_clear_lies_on_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.png" if mode == "PA" else "a.tif")
    if mode == "PA":  # a palette, one of whose colours is clear
        picture = Image.new("P", (32, 24), 1)
        picture.putpalette([0, 0, 255, *RED])
        picture.paste(0, (0, 0, 16, 12))
        picture.save(path, transparency=0)
    else:
        two_colours().convert(mode).save(path)
    pixels = read_pixels(path, ScorerError)
    assert tuple(pixels[2, 2]) == WHITE
    assert tuple(pixels[20, 20]) != WHITE


@pytest.mark.parametrize(
    ("picture", "suffix"),
    [
        (Image.new("CMYK", (32, 24), (0, 255, 255, 0)), ".jpg"),
        (Image.new("CMYK", (32, 24), (0, 255, 255, 0)), ".tif"),
        (Image.new("YCbCr", (32, 24), (76, 85, 255)), ".tif"),
    ],
)
def test_colours_of_print_and_film_become_red_green_and_blue(tmp_path: Path, picture: Image.Image, suffix: str) -> None:
    picture.save(tmp_path / f"a{suffix}")
    pixels = read_pixels(tmp_path / f"a{suffix}", ScorerError)
    assert np.abs(pixels.astype(int) - RED).max() < 8


def test_grey_of_sixteen_bits_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((24, 32), 257 * 100, dtype=np.uint16)).save(path)
    assert np.unique(read_pixels(path, ScorerError)) == [100]
    assert load_picture(path).mean() == pytest.approx(100 / 255)


def test_of_moving_pictures_the_first_is_read(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (32, 24), RED), Image.new("RGB", (32, 24), "blue")
    for suffix in (".gif", ".png", ".webp", ".tif"):
        path = tmp_path / f"a{suffix}"
        first.save(path, save_all=True, append_images=[second])
        assert np.abs(read_pixels(path, ScorerError).astype(int) - RED).max() < 8, suffix


@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_are_upright(tmp_path: Path, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    two_colours().convert("RGB").save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        from PIL import ImageOps

        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(read_pixels(tmp_path / "a.png", ScorerError), expected)


def test_an_exif_that_cannot_be_read_turns_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (32, 24), RED).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00no exif at all")
    assert read_pixels(tmp_path / "a.jpg", ScorerError).shape == (24, 32, 3)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_grey_of_more_than_eight_bits_is_read_from_a_tiff(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (32, 24), 30000).save(tmp_path / "a.tif")
    assert load_picture(tmp_path / "a.tif").mean().item() == pytest.approx(30000 / 65535, abs=1e-6)


@pytest.mark.parametrize("mode", ["F", "LAB"])
def test_colours_that_are_not_known_are_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (32, 24)).save(tmp_path / "a.tif")
    with pytest.raises(ScorerError, match=rf"a\.tif: its pixels are of the kind {mode}.*; save it as PNG"):
        read_pixels(tmp_path / "a.tif", ScorerError)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "L", "CMYK", "I;16"])
def test_large_pictures_are_made_smaller(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (100, 60)).save(path)
    before = read_image(path, ScorerError).size
    monkeypatch.setattr(picture_files, "MOST_KEPT", 700)
    assert before == (100, 60)
    assert read_image(path, ScorerError).size == kept_size(path, ScorerError) == (34, 20)
    monkeypatch.setattr(picture_files, "MOST_READ", 5999)
    with pytest.raises(ScorerError, match=r"has 100 x 60 pixels.*make it smaller, or save it as JPEG"):
        read_image(path, ScorerError)


def test_jpeg_files_are_read_small_however_large_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, slow = tmp_path / "a.jpg", tmp_path / "b.jpg"
    picture = Image.new("RGB", (800, 480), RED)
    picture.save(path)
    picture.save(slow, progressive=True)
    monkeypatch.setattr(picture_files, "MOST_KEPT", 3000)
    monkeypatch.setattr(picture_files, "MOST_READ", 10000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    image = read_image(path, ScorerError)
    assert image.size == kept_size(path, ScorerError) == (50, 30)
    assert math.prod(image.size) <= 3000
    with pytest.raises(ScorerError, match="has 800 x 480 pixels"):
        read_image(slow, ScorerError)
    monkeypatch.setattr(picture_files, "MOST_DRAFTED", 10000)
    with pytest.raises(ScorerError, match="has too many pixels to be read; make it smaller"):
        read_image(path, ScorerError)


def test_a_header_that_promises_far_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Image.new("RGB", (32, 24)).save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = struct.pack("<ii", 30_000, 30_000)
    path.write_bytes(content)
    with pytest.raises(ScorerError, match=r"a\.bmp: has too many pixels to be read"):
        read_image(path, ScorerError)


def test_a_strip_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (65, 1)).save(tmp_path / "a.png")
    with pytest.raises(ScorerError, match="65 x 1 pixels: it is more than 64 times longer than broad"):
        read_image(tmp_path / "a.png", ScorerError)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_only_files_are_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.png"
    make(path)
    assert not is_picture(path)
    with pytest.raises(ScorerError, match=r"cannot be read as a picture \(this is a (pipe|device), not a file\)"):
        read_image(path, ScorerError)
