"""The kernel for GPUs: its logic in Triton's interpreter, and what is done where it cannot be used."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
import torch

from engine.arithmetic.weighted_sums import PlainSums, base_first
from engine.kernels import device_sums
from engine.kernels.device_sums import DeviceSums
from engine.merging.evaluate import Arithmetic, PlainSum
from engine.modes.rows import TensorRow

CPU = torch.device("cpu")
TENSORS = {"A": torch.randn(5000).half(), "B": torch.randn(5000).half()}
ROW = TensorRow((("A", 0.3), ("B", 0.7)))


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    device_sums._report.cache_clear()


@pytest.fixture
def arithmetic() -> Arithmetic:
    """One that asks for the kernel, as on a GPU."""
    found = Arithmetic(CPU, torch.float16)
    found._on_device = DeviceSums(CPU, torch.float16)
    return found


def kernel_is(monkeypatch: pytest.MonkeyPatch, launch: Any) -> None:
    monkeypatch.setattr(device_sums, "_kernel", lambda: (object(), 2048))
    monkeypatch.setattr(device_sums, "_launch", launch)
    monkeypatch.setattr(device_sums, "_compile_errors", lambda: (RuntimeError,))


def evaluated(arithmetic: Arithmetic) -> torch.Tensor:
    outs = [torch.zeros(5000), torch.zeros(5000, dtype=torch.float16)]
    arithmetic.evaluate_all([PlainSum(row=ROW, read=TENSORS.__getitem__, out=out) for out in outs])
    assert torch.equal(outs[0], outs[1].float())
    return outs[0]


def expected() -> torch.Tensor:
    out = torch.zeros(5000)
    PlainSums(CPU, torch.float16).write(base_first([(TENSORS[str(name)], weight) for name, weight in ROW.terms]), out)
    return out


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: it comes with torch's CUDA build")
def test_the_kernel_in_tritons_interpreter() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.engine.kernels.interpreted"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 4


def test_one_launch_for_a_pattern(arithmetic: Arithmetic, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[int] = []

    def launch(batch: Any, *_: object) -> None:
        launched.append(len(batch))
        for terms, out in batch:
            PlainSums(CPU, torch.float16).write(terms, out)

    kernel_is(monkeypatch, launch)
    outs = [torch.zeros(5000) for _ in range(7)]
    for _ in range(2):
        arithmetic.evaluate_all([PlainSum(row=ROW, read=TENSORS.__getitem__, out=out) for out in outs])
    assert launched == [2, 7, 7], "the check, with two sets of weights, then the sums"
    assert all(torch.equal(out, expected()) for out in outs)


def test_a_kernel_with_other_bits_is_not_used(
    arithmetic: Arithmetic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def launch(batch: Any, *_: object) -> None:
        for terms, out in batch:
            (base, total), (other, weight) = terms
            out.copy_(base.double() * total + weight * (other.double() - base.double()))

    kernel_is(monkeypatch, launch)
    assert torch.equal(evaluated(arithmetic), expected())
    assert [record.message for record in caplog.records] == [
        "the Triton kernel gives other bits than the CPU, so models are built in several passes"
    ]


def test_a_kernel_that_does_not_compile_is_not_used(
    arithmetic: Arithmetic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def launch(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC")

    kernel_is(monkeypatch, launch)
    assert torch.equal(evaluated(arithmetic), expected())
    assert [record.message for record in caplog.records] == [
        "the Triton kernel does not run here (Failed to find C compiler.), so models are built in several passes"
    ]


def test_without_triton_the_plain_steps_do_it(
    arithmetic: Arithmetic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device_sums._kernel.cache_clear()
    monkeypatch.setitem(sys.modules, "engine.kernels.triton_sums", None)
    with caplog.at_level(logging.INFO):
        assert torch.equal(evaluated(arithmetic), expected())
    device_sums._kernel.cache_clear()
    assert "there is no Triton here" in caplog.text
