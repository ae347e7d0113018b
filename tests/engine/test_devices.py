"""Devices by name, on machines with and without GPUs."""

from __future__ import annotations

import pytest
import torch

from engine.devices import device_of, is_device_name, worker_devices
from engine.errors import EngineError


@pytest.fixture(params=[0, 1, 3])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many GPUs torch sees."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    return request.param


def test_auto_is_a_gpu_where_there_is_one(gpus: int) -> None:
    assert device_of("auto") == torch.device("cuda" if gpus else "cpu")


def test_names_are_the_devices_they_say(gpus: int) -> None:
    assert device_of("cpu") == torch.device("cpu")
    for number in range(gpus):
        assert device_of(f"cuda:{number}") == torch.device("cuda", number)
    if gpus:
        assert device_of("cuda") == torch.device("cuda")


@pytest.mark.parametrize("name", ["gpu", "", "meta", "mps", "CUDA", "cuda:", "cuda:-1", "cuda:1x", "cpu:0"])
def test_other_names_are_refused(name: str) -> None:
    assert not is_device_name(name)
    with pytest.raises(EngineError, match=rf'unknown device \("{name}"\); choose auto, cpu, cuda or cuda:0, cuda:1'):
        device_of(name)


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(gpus: int) -> None:
    instead = {
        0: "auto or cpu, or install a torch build",
        1: "auto, cpu or cuda:0$",
        3: "auto, cpu or cuda:0 to cuda:2$",
    }
    for name in ("cuda:3", "cuda:999999", *([] if gpus else ["cuda"])):
        assert is_device_name(name)
        with pytest.raises(
            EngineError, match=rf'torch sees {gpus} CUDA devices here \("{name}"\); choose {instead[gpus]}'
        ):
            device_of(name)


def test_workers_get_all_gpus_in_turn_unless_one_is_named(gpus: int) -> None:
    expected = {0: ["auto"] * 4, 1: ["cuda:0"] * 4, 3: ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]}
    assert worker_devices("auto", 4) == expected[gpus]
    assert worker_devices("cuda:1", 2) == ["cuda:1", "cuda:1"]
    assert worker_devices("cpu", 2) == ["cpu", "cpu"]
