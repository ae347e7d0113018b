"""Normal random numbers as CUDA draws them, on any device: Philox4x32-10 and the Box-Muller transform.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", has the generator and its test vectors. How torch
uses it on CUDA: the seed is the key; number ``i`` of the ``k``-th draw has the counter ``(k, 0, i, 0)``; its first
two words become one number. AUTOMATIC1111's WebUI offers the same as "RNG: NV". Above about 400,000 numbers a draw, as
in latents of more than 2500 pixels a side, real GPUs use further words of each counter; the WebUI and this do not.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

ROUNDS = 10
"""The rounds of Philox4x32-10."""
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
"""The multipliers of the first and the third word."""
WEYL = (0x9E3779B9, 0xBB67AE85)
"""What is added to the two words of the key after each round."""
WORD_RANGE = 2**32
"""How many values a word has."""
TURN = float(np.float32(2 * math.pi / WORD_RANGE))
"""The angle of one unit of a word, rounded to float32 as CUDA's constant is."""
PIECE = 2**14
"""How many numbers are computed at once: the steps between the words and the numbers stay in the processor's cache."""

_LOW_WORD, _WORD_BITS = np.uint64(WORD_RANGE - 1), np.uint64(32)

Words = npt.NDArray[np.uint32]
LongWords = npt.NDArray[np.uint64]
"""Words in 64 bits, so that their products fit."""


def philox(counter: Words, seed: int) -> Words:
    """Four random words for each counter.

    Args:
        counter: ``(4, n)`` words.
        seed: The key, 64 bits, low word first.

    Returns:
        ``(4, n)`` words.
    """
    a, b, c, d = _rounds(*counter.astype(np.uint64), seed=seed)
    return np.stack((a, b, c, d)).astype(np.uint32)


def _rounds(
    a: LongWords, b: LongWords, c: LongWords, d: LongWords, *, seed: int
) -> tuple[LongWords, LongWords, LongWords, LongWords]:
    """All rounds; words that are the same in all counters may be arrays of one."""
    low, high = seed % WORD_RANGE, seed // WORD_RANGE % WORD_RANGE
    for number in range(ROUNDS):
        keys = [np.uint64((word + number * step) % WORD_RANGE) for word, step in zip((low, high), WEYL, strict=True)]
        first, second = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b = (second >> _WORD_BITS) ^ (b ^ keys[0]), second & _LOW_WORD
        c, d = (first >> _WORD_BITS) ^ (d ^ keys[1]), first & _LOW_WORD
    return a, b, c, d


class PhiloxStream:
    """Draws the normal numbers of ``torch.randn`` on CUDA after ``manual_seed(seed)``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws = 0

    def normal(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Return the next draw."""
        count = math.prod(shape)
        numbers = np.empty(count, np.float32)
        for start in range(0, count, PIECE):
            end = min(start + PIECE, count)
            numbers[start:end] = self._normal(start, end)
        self._draws += 1
        return numbers.reshape(shape)

    def _normal(self, start: int, end: int) -> npt.NDArray[np.float64]:
        """Some numbers of the draw."""
        draw, none = np.array([self._draws], np.uint64), np.zeros(1, np.uint64)
        first, second, *_ = _rounds(draw, none, np.arange(start, end, dtype=np.uint64), none, seed=self._seed)
        radius = np.sqrt(-2 * np.log((first + 0.5) / WORD_RANGE))
        return radius * np.sin((second + 0.5) * TURN)
