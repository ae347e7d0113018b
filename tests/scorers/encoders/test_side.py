"""Encoders on a device that is too full: fewer pictures at once, other encoders make room, the CPU, a sentence.

The device is simulated: the CPU counts as one that weights can leave, and a limit of memory is set for what is computed
there, and for weights that are brought there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from scorers.encoders.encoder import CHUNK, OWN, Encoder
from scorers.encoders.opened import Encoders
from scorers.errors import ScorerError, ScorerWarning
from scorers.extraction.observer import Observer
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings

Files = tuple[Path, Path]
CONVOLUTIONS = {torch.ops.aten.conv2d.default, torch.ops.aten.convolution.default}
PADDINGS = {torch.ops.aten.pad.default, torch.ops.aten.reflection_pad2d.default}
FULL = "out of memory, as a full GPU says it"


class FullDevice(TorchDispatchMode):
    """A device with room for so many pictures at once, and for so many bytes of weights.

    Attributes:
        batches: pictures in each convolution, in order.
        arrived: bytes of weights that came.
    """

    def __init__(self, most: int = 1000, weights: float = 1e12, leaving: Callable[[], bool] = lambda: False) -> None:
        """``leaving`` says whether the work is no longer done on this device."""
        super().__init__()
        self.most, self.weights, self.leaving = most, weights, leaving
        self.batches: list[int] = []
        self.arrived = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in CONVOLUTIONS:
            self.batches.append(len(args[0]))
            if len(args[0]) > self.most and not self.leaving():
                raise torch.OutOfMemoryError(FULL)
        if func is torch.ops.aten._to_copy.default and given.get("non_blocking"):  # only weights come so
            self.arrived += args[0].nbytes
            if args[0].nbytes > self.weights:
                raise torch.OutOfMemoryError(FULL)
        return func(*args, **given)


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights can leave the CPU, as if it were a GPU."""
    monkeypatch.setattr("scorers.encoders.side.HOST", "nowhere")


@pytest.fixture
def images(paint: Callable[..., Tensor]) -> Tensor:
    """Twenty pictures: a batch of 16, and 4."""
    return paint(1, 20, 0.5)


@pytest.fixture
def usual(encoder: Encoder, images: Tensor) -> Tensor:
    """The embeddings of an encoder that never left its device."""
    return encoder.embed(images, (OWN,))[OWN]


def test_parked_weights_come_back_with_the_same_bits(clip_files: Files, images: Tensor, usual: Tensor) -> None:
    opened = Encoder.open(*clip_files)
    texts = opened.embed_texts(["a cat", "a house"])
    causal_mask = 4 * 77 * 77
    freed = opened.park()
    assert freed == sum(tensor.nbytes for tensor in load_file(clip_files[1]).values()) + causal_mask
    assert opened.park() == 0
    with FullDevice() as device:
        assert torch.equal(opened.embed(images, (OWN,))[OWN], usual)
        pictures = device.arrived
        assert torch.equal(opened.embed_texts(["a cat", "a house"]), texts)
    assert 0 < pictures < device.arrived == freed
    assert opened.park() == freed


def test_what_waits_is_there_for_its_own_work_alone(clip_files: Files, images: Tensor, usual: Tensor) -> None:
    opened = Encoder.open(*clip_files, waits=True)
    assert opened.park() == 0
    assert torch.equal(opened.embed(images, (OWN,))[OWN], usual)
    opened.embed_texts(["a cat"])
    assert opened.park() == 0


def test_batches_shrink_and_stay_small(clip_files: Files, images: Tensor, usual: Tensor) -> None:
    opened = Encoder.open(*clip_files)
    with FullDevice(most=5) as device:
        embedded = opened.embed(images, (OWN,))[OWN]
        opened.embed(images[:8], (OWN,))
    assert device.batches == [CHUNK, 8, 4, 4, 4, 4, 4, 4, 4]
    assert (embedded - usual).abs().max() < 2e-6


def test_a_device_without_room_for_one_picture_is_left(clip_files: Files, images: Tensor, usual: Tensor) -> None:
    opened = Encoder.open(*clip_files)
    with FullDevice(most=0, leaving=lambda: not opened._pictures._leaves):
        with pytest.warns(ScorerWarning, match="encoder tiny, pictures: does not fit on the device"):
            embedded = opened.embed(images, (OWN,))[OWN]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            opened.embed(images, (OWN,))
    assert (embedded - usual).abs().max() < 2e-6


def test_a_device_without_room_for_weights_is_left(clip_files: Files, images: Tensor, usual: Tensor) -> None:
    with FullDevice(weights=1e5) as device:
        opened = Encoder.open(*clip_files)  # no error: they wait
        assert device.arrived > 1e5
        with pytest.warns(ScorerWarning, match="pictures: does not fit on the device, and runs on the CPU"):
            embedded = opened.embed(images, (OWN,))[OWN]
        with pytest.warns(ScorerWarning, match="texts: does not fit"):
            opened.embed_texts(["a cat"])
    assert device.batches == [CHUNK, 4]
    assert torch.equal(embedded, usual)


def test_too_little_memory_anywhere_is_one_sentence(clip_files: Files, images: Tensor) -> None:
    opened = Encoder.open(*clip_files)
    with (
        FullDevice(most=0),
        pytest.warns(ScorerWarning),
        pytest.raises(ScorerError, match="encoder tiny, pictures: the device has too little memory for a single one"),
    ):
        opened.embed(images, (OWN,))


def test_other_encoders_make_room(clip_files: Files, images: Tensor, usual: Tensor) -> None:
    one, other = (Encoder.open(*clip_files) for _ in range(2))
    encoders = Encoders({"one": one, "other": other})
    full = [True]

    def freed() -> bool:
        full[0] = full[0] and other._pictures._is_there
        return not full[0]

    with FullDevice(most=0, leaving=freed), warnings.catch_warnings():
        warnings.simplefilter("error")
        embedded = torch.from_numpy(encoders.embed(images, ["one"])["one"])
    assert not other._pictures._is_there
    assert one._pictures._is_there
    assert not one._texts._is_there
    assert (embedded - usual).abs().max() < 2e-6
    assert torch.equal(other.embed(images, (OWN,))[OWN], usual)


# ---------------------------------------------------------------------------------------- pictures, and the panel


class FullForPictures(TorchDispatchMode):
    """A device where statistics run out of memory: until encoders have left it, or for ever."""

    def __init__(self, until: Callable[[], bool]) -> None:
        super().__init__()
        self.until = until

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in PADDINGS and not self.until():
            raise torch.OutOfMemoryError(FULL)
        return func(*args, **dict(kwargs or {}))


def test_encoders_make_room_for_statistics(clip_files: Files, images: Tensor) -> None:
    opened = Encoder.open(*clip_files)
    observer = Observer(Encoders({"clip": opened}), ["clip"], [], 64)
    prompts, seeds = [""] * 20, list(range(20))
    usual = observer.see(images, prompts, seeds)
    tries: list[bool] = []

    def second() -> bool:
        tries.append(opened._texts._is_there)
        return len(tries) > 1

    with FullForPictures(second):
        features = observer.see(images, prompts, seeds)
    assert tries[:2] == [True, False]
    assert (features.statistics == usual.statistics).all()
    assert (features.embedding("clip") == usual.embedding("clip")).all()


def test_pictures_that_fit_nowhere_are_one_sentence(clip_files: Files, images: Tensor) -> None:
    observer = Observer(Encoders({"clip": Encoder.open(*clip_files)}), ["clip"], [], 64)
    with FullForPictures(lambda: False), pytest.raises(ScorerError, match="too little memory for these pictures"):
        observer.see(images, [""] * 20, range(20))
    assert observer._in_main_memory


def test_a_panel_gives_up_its_memory_and_judges_alike(
    settings: PanelSettings, paint: Callable[..., Tensor], prompts_of: Callable[[int, int], list[str]]
) -> None:
    plain, waiting = Panel.open(settings), Panel.open(replace(settings, wait_on_host=True))
    assert waiting.version == plain.version
    assert waiting.park() == 0
    assert plain.park() > 0
    values: list[float | None] = []
    for panel in (plain, waiting):
        recipes = {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}
        features = {k: panel.features(paint(1, 12, v), prompts_of(1, 12), range(12)) for k, v in recipes.items()}
        panel.calibrate(features)
        values.append(panel.judge(features["A"]).value)
    assert values[0] == values[1]
    assert waiting.park() == 0


class Greedy:
    """A scorer that reads pictures, and needs the memory that an encoder takes."""

    name, version = "greedy", "1"

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def look(self, images: Tensor, prompts: Sequence[str]) -> np.ndarray:
        """Brightness, where there is memory."""
        if self._encoder._texts._is_there:
            raise torch.OutOfMemoryError(FULL)
        return images.mean((1, 2, 3)).numpy()


def test_encoders_make_room_for_scorers_that_read_pictures(clip_files: Files, images: Tensor) -> None:
    opened = Encoder.open(*clip_files)
    observer = Observer(Encoders({"clip": opened}), ["clip"], [Greedy(opened)], 64)
    features = observer.see(images, [""] * 20, range(20))
    assert features.readings["greedy"] == pytest.approx(images.mean((1, 2, 3)).numpy())
