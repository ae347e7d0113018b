"""The normal numbers against torch's, as it draws them on the processors that the golden merges were made on."""

from __future__ import annotations

import pytest
import torch

from engine.arithmetic.box_muller import CLOSE, NormalStream
from tests.engine.merging.capabilities import FUSING, current
from tests.engine.merging.golden import CASES, full_sha256, models_of
from tests.engine.merging.manifest_recipes import replayed

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SHAPES = ((3,), (), (16,), (17,), (5,), (31,), (100_005,), (7, 9), (1,), (0,), (2, 2), (40,), (15,), (3, 2))
ROOM = CLOSE if current() in FUSING else 1e-5  # other processors' sines are further off


@pytest.mark.parametrize("dtypes", [DTYPES, *((dtype,) for dtype in DTYPES)], ids=str)
def test_numbers_are_torchs_one_tensor_after_the_other(dtypes: tuple[torch.dtype, ...]) -> None:
    generator, stream = torch.Generator().manual_seed(7), NormalStream(7)
    for shape in SHAPES:
        for dtype in dtypes:
            wanted, found = torch.randn(shape, dtype=dtype, generator=generator), stream.draw(shape, dtype)
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            step = 0 if dtype == torch.float32 else torch.finfo(dtype).eps
            assert torch.allclose(found.double(), wanted.double(), rtol=step, atol=ROOM), shape


def test_a_place_is_where_the_stream_goes_on() -> None:
    stream, skipped = NormalStream(8), NormalStream(8)
    for shape in SHAPES:
        for dtype in DTYPES:
            place = skipped.place
            skipped.skip(shape, dtype)
            assert torch.equal(stream.draw(shape, dtype), NormalStream(place).draw(shape, dtype))


@pytest.mark.skipif(current() not in FUSING, reason="torch.randn has other last bits here")
def test_with_torchs_own_numbers_the_result_is_supermergers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the numbers are used for is right to the last bit."""

    def draw(self: NormalStream, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.randn(shape, dtype=dtype, generator=self._generator)

    case = next(case for case in CASES if case["calcmode"] == "plus random")
    monkeypatch.setattr(NormalStream, "draw", draw)
    monkeypatch.setattr(NormalStream, "skip", draw)
    assert full_sha256(replayed(case, models_of(case))) == case["sha256_full"]
