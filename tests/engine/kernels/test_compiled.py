from __future__ import annotations

import itertools
import logging
import platform
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.arithmetic.weighted_sums import PlainSums, Term, base_first
from engine.kernels import compiled, compiler
from engine.kernels.checking import KINDS
from engine.kernels.compiled import COMPILED_FROM, MOST_TERMS, SOURCE, CompiledSums, agrees, compiled_sums
from engine.kernels.compiler import library
from engine.merging.evaluate import Arithmetic
from engine.modes.rows import TensorRow

CPU = torch.device("cpu")
DTYPES = [*KINDS]
NO_COMPILER = "there is no C compiler here, or the function knows no conversion of this processor"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of all tests that do not look into it: compiling takes most of their time."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """That folder, and nothing loaded yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared))
    compiled_sums.cache_clear()
    yield
    compiled_sums.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of libraries within a cache of the test's own, with the function in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if library(SOURCE) is None:
        pytest.skip(NO_COMPILER)
    return tmp_path / "sd-recipe-search" / "kernels"


@pytest.fixture
def sums() -> CompiledSums:
    """The compiled function, without its check."""
    loaded = library(SOURCE)
    if loaded is None:
        pytest.skip(NO_COMPILER)
    return CompiledSums(loaded)


def drawn(seed: int, count: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)).to(dtype)


def both(sums: CompiledSums, terms: list[Term], round_to: torch.dtype, stored: torch.dtype) -> tuple[Tensor, Tensor]:
    """What the function gives, and what the plain steps give."""
    found, expected = (torch.full((terms[0][0].numel(),), torch.nan, dtype=stored) for _ in range(2))
    assert sums.takes(terms, found)
    sums.write(terms, round_to, found)
    PlainSums(CPU, round_to).write(terms, expected)
    return found, expected


@pytest.mark.parametrize("kinds", [*itertools.product(DTYPES, repeat=2)], ids=str)
@pytest.mark.parametrize("count", [1, 33, 1000])
def test_all_dtypes_and_lengths_give_the_plain_bits(
    sums: CompiledSums, kinds: tuple[torch.dtype, ...], count: int
) -> None:
    tensors = [drawn(seed, count, kind) for seed, kind in enumerate((*kinds, torch.float16))]
    for weights, round_to, stored in itertools.product(((0.9,), (0.3, 0.7), (1.0, 0.4, -0.4)), DTYPES, DTYPES):
        terms = base_first(list(zip(tensors, weights, strict=False)))
        found, expected = both(sums, terms, round_to, stored)
        assert torch.equal(found, expected), (weights, round_to, stored)


def test_every_float16_is_read_and_rounded_as_torch_does(sums: CompiledSums) -> None:
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(torch.float16)
    for dtype in (torch.float16, torch.bfloat16):
        bits = every.view(dtype)
        near = torch.stack([bits.float() * (1 + shift * 2.0**-12) for shift in range(-3, 4)]).reshape(-1)
        for terms in ([(bits, 1.0)], [(near, 1.0)]):
            found, expected = both(sums, terms, dtype, dtype)
            assert torch.equal(found.nan_to_num(9, 7, 8), expected.nan_to_num(9, 7, 8))
            assert torch.equal(found.signbit() & ~found.isnan(), expected.signbit() & ~expected.isnan())


def test_most_terms_and_one_more(sums: CompiledSums) -> None:
    terms = base_first([(drawn(seed, 100, DTYPES[seed % 3]), 0.1 * seed - 0.7) for seed in range(MOST_TERMS)])
    found, expected = both(sums, terms, torch.float16, torch.float32)
    assert torch.equal(found, expected)
    assert not sums.takes([*terms, terms[0]], found)
    assert not sums.takes([], found)


def test_threads_and_places_make_no_difference(sums: CompiledSums) -> None:
    count = (1 << 21) + 77
    terms = base_first([(drawn(0, count, torch.float16), 0.3), (drawn(1, count, torch.bfloat16), 0.7)])
    room = torch.zeros(count + 5)
    expected = torch.empty(count)
    PlainSums(CPU, torch.float16).write(terms, expected)
    before = torch.get_num_threads()
    try:
        for threads, place in ((1, 0), (2, 0), (2, 5)):
            torch.set_num_threads(threads)
            out = room.zero_()[place : place + count]
            sums.write(terms, torch.float16, out)
            assert torch.equal(out, expected), (threads, place)
            assert not room[:place].any()
            assert not room[place + count :].any()
    finally:
        torch.set_num_threads(before)


def test_strides_and_other_dtypes_are_left_to_the_plain_steps(sums: CompiledSums) -> None:
    tensor, out = drawn(0, 64, torch.float16), torch.empty(32)
    assert not sums.takes([(tensor[::2], 1.0)], out)
    assert not sums.takes([(tensor[:32].double(), 1.0)], out)
    assert not sums.takes([(tensor[:32], 1.0)], torch.empty(64)[::2])
    assert not sums.takes([(tensor[:32], 1e39)], out)


def test_large_tensors_are_computed_by_it(sums: CompiledSums, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the numbers are those of the plain steps; small ones start no compiler."""
    row, sizes = TensorRow((("A", 0.4), ("B", 0.6))), list[int]()
    write = CompiledSums.write

    def noted(self: CompiledSums, terms: list[Term], round_to: torch.dtype, out: Tensor) -> None:
        sizes.append(out.numel())
        write(self, terms, round_to, out)

    monkeypatch.setattr(CompiledSums, "write", noted)
    arithmetic, plain = Arithmetic(CPU, torch.float16), Arithmetic(CPU, torch.float16, compiled=False)
    for count in (1000, COMPILED_FROM):
        models = {name: drawn(seed, count, torch.float16) for seed, name in enumerate("AB")}
        found, expected = torch.empty(count), torch.empty(count)
        arithmetic.evaluate(row, models.__getitem__, found)
        assert COMPILED_FROM not in sizes or count == COMPILED_FROM
        plain.evaluate(row, models.__getitem__, expected)
        assert torch.equal(found, expected)
    assert COMPILED_FROM in sizes
    assert 1000 not in sizes


def test_a_function_with_other_bits_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Compiled so that products and sums round together, as torch.lerp does."""
    monkeypatch.setattr(compiler, "OPTIONS", ("-O3", "-ffp-contract=fast", "-fPIC", "-shared"))
    if platform.machine() == "x86_64":
        monkeypatch.setattr(compiler, "_processor_options", lambda: ("-mavx2", "-mf16c", "-mfma"))
    loaded = library(SOURCE) if torch.backends.cpu.get_cpu_capability() != "DEFAULT" else None
    if loaded is None:
        pytest.skip("nothing here fuses")
    assert not agrees(CompiledSums(loaded))
    with caplog.at_level(logging.WARNING):
        assert compiled_sums() is None
        assert compiled_sums() is None
    assert [record.message for record in caplog.records] == [
        "weighted_sum.c gives other bits than torch here, so models are built in several passes"
    ]


def test_the_library_is_kept_for_the_next_process(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = cache.iterdir()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("compiled again"))
    assert library(SOURCE) is not None
    assert [*cache.iterdir()] == [kept]


def test_a_folder_that_others_may_write_to_is_not_used(cache: Path) -> None:
    (kept,) = cache.iterdir()
    kept.unlink()
    cache.chmod(0o777)
    assert library(SOURCE) is not None
    assert not [*cache.iterdir()]


def test_a_folder_within_one_that_others_may_write_to_is_not_used(cache: Path) -> None:
    (kept,) = cache.iterdir()
    kept.unlink()
    cache.parent.chmod(0o777)
    assert library(SOURCE) is not None
    assert not [*cache.iterdir()]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_kept_library_that_is_cut_off_is_compiled_again(cache: Path, share: float) -> None:
    """The system ends a process that loads half a library, without a word."""
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # other tests have it loaded
    kept.write_bytes(whole[: int(len(whole) * share)])
    assert library(SOURCE) is not None
    assert kept.read_bytes() == whole
    assert [*cache.iterdir()] == [kept]


def test_a_kept_library_with_other_bytes_is_compiled_again(cache: Path) -> None:
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(whole[:4300] + bytes(300) + whole[4600:])
    assert library(SOURCE) is not None
    assert kept.read_bytes() == whole


def test_what_cannot_be_kept_is_used_all_the_same(cache: Path) -> None:
    """Such as where a folder or a pipe has the library's name."""
    (kept,) = cache.iterdir()
    kept.unlink()
    kept.mkdir()
    assert library(SOURCE) is not None
    assert kept.is_dir()


COMPILERS_THAT_FAIL = {
    "exit 1": "the compiler ended with status 1, and said nothing",
    "echo >&2; echo ' its reason' >&2; exit 1": "its reason",
    "printf ' \\n' >&2; exit 2": "the compiler ended with status 2, and said nothing",
    "printf '\\377 bad' >&2; exit 1": "\N{REPLACEMENT CHARACTER} bad",
    "kill -9 $$": "the compiler ended with status -9, and said nothing",
    "exec sleep 100": "the compiler took more than 0.5 seconds",
    "exit 0": "weighted_sum.so: cannot open shared object file",
    'while [ $# -gt 1 ]; do shift; done; echo junk > "$1"': "weighted_sum.so: file too short",
}


@pytest.mark.skipif(platform.system() != "Linux", reason="the reasons are in the words of Linux")
@pytest.mark.parametrize(("script", "reason"), COMPILERS_THAT_FAIL.items())
def test_a_compiler_that_fails_in_any_way_is_reported(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing = tmp_path / "cc"
    failing.write_text(f"#!/bin/sh\n{script}\n")
    failing.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "_compiler", lambda: str(failing))
    monkeypatch.setattr(compiler, "_processor_options", tuple)  # of any processor
    monkeypatch.setattr(compiler, "_TIME_LIMIT_S", 0.5 if "sleep" in script else 60.0)
    assert library(SOURCE) is None
    (record,) = caplog.records
    assert record.message.startswith("weighted_sum.c could not be compiled (")
    assert reason in record.message
    assert not [*(tmp_path / "sd-recipe-search" / "kernels").iterdir()]


def test_what_does_not_compile_is_reported(cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("int f( {\n")
    assert library(broken) is None
    assert "broken.c could not be compiled (" in caplog.text
    assert len([*cache.iterdir()]) == 1, "nothing half made is left"


def test_without_a_compiler_the_plain_steps_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_compiler", lambda: None)
    assert compiled_sums() is None
    count = compiled.COMPILED_FROM
    tensor, out = drawn(0, count, torch.float16), torch.empty(count)
    Arithmetic(CPU, torch.float16).evaluate(TensorRow((("A", 1.0),)), lambda _: tensor, out)
    assert torch.equal(out, tensor.float())
