"""Upscalers of latents and pictures against torch, Pillow and plain loops; model files that are real and tiny."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import interpolate

from engine.errors import RenderError
from engine.rendering.tiles import tiled
from engine.rendering.upscale import MODES, enlarged_latents, enlarged_picture, from_bytes, to_bytes
from engine.rendering.upscaler_models import UpscalerFolder
from engine.shots.hires import LATENT_UPSCALERS, Target

CPU = torch.device("cpu")
Pixels = npt.NDArray[np.uint8]


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image)


# -------------------------------------------------------------------------------------------------------- latents


@pytest.mark.parametrize(
    ("name", "mode", "antialias"),
    [
        ("Latent", "bilinear", False),
        ("Latent (antialiased)", "bilinear", True),
        ("Latent (bicubic)", "bicubic", False),
        ("Latent (bicubic antialiased)", "bicubic", True),
        ("Latent (nearest)", "nearest", False),
        ("Latent (nearest-exact)", "nearest-exact", False),
    ],
)
@pytest.mark.parametrize(("width", "height"), [(100, 150), (64, 72), (40, 36)])
def test_latents_are_interpolated_with_the_webuis_flags(
    name: str, mode: str, antialias: bool, width: int, height: int
) -> None:
    latents = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(1))
    found = enlarged_latents(latents, name, Target(width=width, height=height))
    expected = interpolate(latents, size=(height // 8, width // 8), mode=mode, antialias=antialias)
    assert torch.equal(found, expected)
    assert tuple(MODES) == LATENT_UPSCALERS


# -------------------------------------------------------------------------------------------------------- pictures


def test_values_lose_their_fraction_on_the_way_to_eight_bits() -> None:
    values = torch.tensor([0.0, 0.5, 127.999 / 255, 254.999 / 255, 1.0]).expand(1, 3, 1, 5)
    (found,) = to_bytes(values)
    assert pixels(found)[0, :, 0].tolist() == [0, 127, 127, 254, 255]
    back = from_bytes([found, found])
    assert (back.shape, back.dtype) == ((2, 3, 1, 5), torch.float32)
    assert torch.equal(back[0, 0, 0], torch.tensor([0, 127, 127, 254, 255]) / 255)


def test_channels_and_places_stay_apart() -> None:
    values = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(2))
    back = from_bytes(to_bytes(values))
    assert float((back - values).abs().max()) < 1 / 255


@pytest.mark.parametrize(("size", "target"), [((64, 72), (83, 93)), ((64, 64), (64, 64)), ((96, 64), (144, 96))])
def test_none_is_lanczos_at_once(size: tuple[int, int], target: tuple[int, int]) -> None:
    source = picture(*size)
    found = enlarged_picture(source, "None", Target(width=target[0], height=target[1]))
    assert np.array_equal(pixels(found), pixels(source.resize(target, Image.Resampling.LANCZOS)))


@pytest.mark.parametrize("name", ["Lanczos", "Nearest"])
@pytest.mark.parametrize(
    ("size", "target", "once", "whole"),
    [
        ((64, 72), (128, 144), (128, 144), (128, 144)),
        ((64, 72), (83, 93), (83, 93), (80, 88)),  # enlarged, then whole steps of 8, then what was asked
        ((64, 64), (128, 96), (128, 128), (128, 128)),  # by the larger ratio, then squeezed
        ((64, 64), (65, 65), (64, 64), (64, 64)),  # already as large as the whole steps: only resized
    ],
)
def test_pictures_go_through_the_webuis_sizes(
    name: str, size: tuple[int, int], target: tuple[int, int], once: tuple[int, int], whole: tuple[int, int]
) -> None:
    source = picture(*size)
    filters = {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}
    step = source if once == size else source.resize(once, filters[name])
    for wanted in (whole, target):
        step = step if step.size == wanted else step.resize(wanted, Image.Resampling.LANCZOS)
    found = enlarged_picture(source, name, Target(width=target[0], height=target[1]))
    assert np.array_equal(pixels(found), pixels(step))


def test_what_does_not_grow_is_only_resized() -> None:
    source = picture(96, 96)
    found = enlarged_picture(source, "Nearest", Target(width=96, height=48))
    assert np.array_equal(pixels(found), pixels(source.resize((96, 48), Image.Resampling.LANCZOS)))


@pytest.mark.parametrize(("factor", "target", "passes"), [(2, 128, 1), (2, 200, 2), (2, 900, 3), (4, 100, 1)])
def test_a_model_passes_until_it_is_large_enough_three_times_at_most(factor: int, target: int, passes: int) -> None:
    sizes: list[int] = []

    def once(image: Image.Image) -> Image.Image:
        sizes.append(image.width)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)

    found = enlarged_picture(picture(64, 64), once, Target(width=target, height=target))
    assert found.size == (target, target)
    assert sizes == [64 * factor**number for number in range(passes)]


def test_a_model_that_enlarges_nothing_is_asked_once() -> None:
    asked: list[int] = []

    def once(image: Image.Image) -> Image.Image:
        asked.append(1)
        return image

    assert enlarged_picture(picture(64, 64), once, Target(width=128, height=128)).size == (128, 128)
    assert asked == [1]


# ----------------------------------------------------------------------------------------------------------- tiles


def by_loops(image: Image.Image, once: Callable[[Pixels], Pixels], factor: int, tile: int, overlap: int) -> Pixels:
    """Tiles laid together pixel by pixel, from the rules alone."""
    source = pixels(image)
    height, width = source.shape[:2]

    def starts(side: int) -> list[int]:
        count = math.ceil((side - overlap) / (tile - overlap))
        return [min(int(n * (side - tile) / max(count - 1, 1)), side - tile) for n in range(count)]

    def cut(top: int, left: int) -> Pixels:
        found = np.zeros((tile, tile, 3), np.uint8)
        for y in range(tile):
            for x in range(tile):
                if 0 <= top + y < height and 0 <= left + x < width:
                    found[y, x] = source[top + y, left + x]
        return found

    def mixed(below: int, above: int, share: int) -> int:
        return round((below * (255 - share) + above * share) / 255)

    fade = overlap * factor
    whole = np.zeros((height * factor, width * factor, 3), np.uint8)
    for top in starts(height):
        strip = np.zeros((tile * factor, width * factor, 3), np.uint8)
        for left in starts(width):
            large = once(cut(top, left))
            for y in range(tile * factor):
                for x in range(tile * factor):
                    place = left * factor + x
                    if 0 <= place < width * factor:
                        share = min(x * 255 // fade, 255) if left else 255
                        strip[y, place] = [
                            mixed(int(a), int(b), share) for a, b in zip(strip[y, place], large[y, x], strict=True)
                        ]
        for y in range(tile * factor):
            place = top * factor + y
            if 0 <= place < height * factor:
                share = min(y * 255 // fade, 255) if top else 255
                for x in range(width * factor):
                    whole[place, x] = [
                        mixed(int(a), int(b), share) for a, b in zip(whole[place, x], strip[y, x], strict=True)
                    ]
    return whole


def doubled_and_marked(values: Pixels) -> Pixels:
    """Twice as large, with the tile's own corner in it, so that the order of tiles shows."""
    large = values.repeat(2, axis=0).repeat(2, axis=1).copy()
    large[:9, :9] = 255 - large[:9, :9]
    return large


@pytest.mark.parametrize("size", [(24, 24), (31, 24), (50, 40), (20, 33), (9, 23)])
def test_tiles_are_laid_as_the_webui_lays_them(size: tuple[int, int]) -> None:
    source = picture(*size)
    found = tiled(source, lambda tile: Image.fromarray(doubled_and_marked(pixels(tile))), tile=24, overlap=4)
    expected = by_loops(source, doubled_and_marked, 2, 24, 4)
    assert np.array_equal(pixels(found), expected)


def test_no_seam_shows_where_tiles_agree() -> None:
    source = picture(500, 391)
    found = tiled(source, lambda tile: tile.resize((2 * tile.width, 2 * tile.height), Image.Resampling.NEAREST))
    assert np.array_equal(pixels(found), pixels(source.resize((1000, 782), Image.Resampling.NEAREST)))


# ----------------------------------------------------------------------------------------------------- model files


def esrgan(scale: int = 2, channels: int = 3) -> torch.nn.Module:
    """A real RRDBNet with random weights, as narrow as can be, whose answers lie between black and white."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(4)
    model = ESRGAN(in_nc=channels, out_nc=channels, num_filters=4, num_blocks=1, scale=scale).eval()
    with torch.no_grad():
        last = list(model.parameters())[-2:]
        last[0].mul_(20)
        last[1].add_(0.5)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state = esrgan().state_dict()
    torch.save(state, tmp_path / "2x-Tiny.pth")
    (tmp_path / "more").mkdir()
    save_file(state, tmp_path / "more" / "RealESRGAN_x2plus.safetensors")
    torch.save({"params_ema": esrgan(4).state_dict()}, tmp_path / "4x_four.pth")
    (tmp_path / "notes.txt").write_text("no model")
    return tmp_path


def test_names_are_stems_in_any_case_and_the_webuis(folder: Path) -> None:
    upscalers = UpscalerFolder(folder)
    assert upscalers.names == ("2x-Tiny", "4x_four", "RealESRGAN_x2plus")
    assert upscalers.path("2X-tiny") == folder / "2x-Tiny.pth"
    assert upscalers.path("4x four") == folder / "4x_four.pth"
    assert upscalers.path("R-ESRGAN 2x+") == folder / "more" / "RealESRGAN_x2plus.safetensors"
    digest = hashlib.sha256((folder / "2x-Tiny.pth").read_bytes()).hexdigest()
    assert upscalers.hashes(["2x-Tiny", "2x-Tiny"]) == {"2x-Tiny": digest}


@pytest.mark.parametrize("name", ["2x-Tiny", "RealESRGAN_x2plus"])
def test_a_model_sees_blue_first_and_its_answer_is_rounded(folder: Path, name: str) -> None:
    source = picture(192, 192)
    found = UpscalerFolder(folder).opened(name, CPU)(source)
    values = torch.from_numpy(pixels(source)[:, :, ::-1].astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        large = esrgan()(values)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    expected = np.round(large * 255).astype(np.uint8)[:, :, ::-1]
    assert found.size == (384, 384)
    assert np.array_equal(pixels(found), expected)
    assert pixels(found).std(axis=(0, 1)).min() > 1


def test_a_model_enlarges_to_any_size(folder: Path) -> None:
    once = UpscalerFolder(folder).opened("4x_four", CPU)
    found = enlarged_picture(picture(64, 72), once, Target(width=100, height=113))
    assert found.size == (100, 113)


def test_a_file_is_read_once(folder: Path) -> None:
    upscalers = UpscalerFolder(folder)
    first = upscalers.opened("2x-Tiny", CPU)
    (folder / "2x-Tiny.pth").unlink()
    assert upscalers.opened("2x-Tiny", CPU) is first


class Odd:
    """Something whose pickle needs code."""


def _other(path: Path, value: Any) -> None:
    torch.save(value, path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: _other(path, {"a": Odd()}), "needs code of its own to be read"),
        (lambda path: path.write_bytes(b"nothing"), "needs code of its own|cannot be read as a PyTorch file"),
        (lambda path: _other(path, torch.ones(3)), "holds a Tensor, no upscaler"),
        (lambda path: _other(path, {"a.weight": torch.ones(3)}), "is no upscaler that spandrel knows"),
        (lambda path: _other(path, esrgan(2, 4).state_dict()), "takes 4 channels, no RGB pictures"),
        (lambda path: path.rename(path.with_suffix(".safetensors")), "cannot be read as safetensors"),
    ],
)
def test_files_that_are_no_upscalers_say_why(folder: Path, write: Callable[[Path], Any], said: str) -> None:
    write(folder / "2x-Tiny.pth")
    with pytest.raises(RenderError, match=f"2x-Tiny.*({said})"):
        UpscalerFolder(folder).opened("2x-Tiny", CPU)


def test_what_is_not_there_is_said_with_what_is(folder: Path) -> None:
    upscalers = UpscalerFolder(folder)
    with pytest.raises(
        RenderError, match=r'no upscaler "R-ESRGAN 4x\+" \(it has 2x-Tiny, .*put RealESRGAN_x4plus\.pth'
    ):
        upscalers.path("R-ESRGAN 4x+")
    (folder / "more" / "2x-tiny.pth").write_bytes(b"")
    with pytest.raises(RenderError, match=r"several upscalers are called .*2x-Tiny\.pth, more/2x-tiny\.pth"):
        UpscalerFolder(folder).path("2x-Tiny")
    with pytest.raises(RenderError, match="no such folder of upscalers"):
        UpscalerFolder(folder / "none")


def test_without_the_extra_the_command_that_installs_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(RenderError, match=r"need the package spandrel; install it: pip install 'sd-recipe-search\["):
        UpscalerFolder(folder).opened("2x-Tiny", CPU)
