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

Words = npt.NDArray[np.uint32]


def philox(counter: Words, seed: int) -> Words:
    """Four random words for each counter.

    Args:
        counter: ``(4, n)`` words.
        seed: The key, 64 bits, low word first.

    Returns:
        ``(4, n)`` words.
    """
    a, b, c, d = counter
    low, high = seed % WORD_RANGE, seed // WORD_RANGE % WORD_RANGE
    for number in range(ROUNDS):
        keys = [np.uint32((word + number * step) % WORD_RANGE) for word, step in zip((low, high), WEYL, strict=True)]
        (top_a, rest_a), (top_c, rest_c) = _product(a, MULTIPLIERS[0]), _product(c, MULTIPLIERS[1])
        a, b, c, d = top_c ^ b ^ keys[0], rest_c, top_a ^ d ^ keys[1], rest_a
    return np.stack((a, b, c, d))


def _product(words: Words, factor: np.uint64) -> tuple[Words, Words]:
    """The high and the low word of each product."""
    product = words.astype(np.uint64) * factor
    return (product >> np.uint64(32)).astype(np.uint32), product.astype(np.uint32)


class PhiloxStream:
    """Draws the normal numbers of ``torch.randn`` on CUDA after ``manual_seed(seed)``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws = 0

    def normal(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Return the next draw."""
        counter = np.zeros((4, math.prod(shape)), np.uint32)
        counter[0] = self._draws
        counter[2] = np.arange(counter.shape[1], dtype=np.uint32)
        self._draws += 1
        first, second, *_ = philox(counter, self._seed)
        radius = np.sqrt(-2 * np.log((first + 0.5) / WORD_RANGE))
        return (radius * np.sin((second + 0.5) * TURN)).astype(np.float32).reshape(shape)
