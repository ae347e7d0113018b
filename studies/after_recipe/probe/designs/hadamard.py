"""Hadamard matrices, the source of screening designs: square, of +1 and -1, with orthogonal columns.

Paley's two constructions from the squares modulo a prime (Paley 1933, On orthogonal matrices), and Sylvester's
doubling. All orders up to 48 are there; a few above, such as 52 and 92, are passed over.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Signs = npt.NDArray[np.int8]
"""A matrix of +1 and -1; 0 in designs stands for a base value."""


def order_for(columns: int) -> int:
    """The smallest order that has so many columns and can be constructed.

    Args:
        columns: 1 or more.
    """
    order = 4
    while order < columns or not _can_construct(order):
        order += 4
    return order


def hadamard(order: int) -> Signs:
    """A matrix of this order whose first column is all +1.

    Args:
        order: one that `order_for` gives.

    Raises:
        ValueError: there is no construction of this order here.
    """
    if not _can_construct(order):
        raise ValueError(f"no Hadamard matrix of order {order} is constructed here")
    matrix = _constructed(order)
    return matrix * matrix[:, :1]


def _constructed(order: int) -> Signs:
    if order <= 2:
        return np.array([[1, 1], [1, -1]], dtype=np.int8)[:order, :order]
    if _is_prime(order - 1) and (order - 1) % 4 == 3:
        return _first_of_paley(order - 1)
    if _is_prime(order // 2 - 1) and (order // 2 - 1) % 4 == 1:
        return _second_of_paley(order // 2 - 1)
    half = _constructed(order // 2)
    return np.block([[half, half], [half, -half]]).astype(np.int8)


@lru_cache(maxsize=256)
def _can_construct(order: int) -> bool:
    if order in (1, 2):
        return True
    if order % 4:
        return False
    first, second = order - 1, order // 2 - 1
    by_paley = (_is_prime(first) and first % 4 == 3) or (_is_prime(second) and second % 4 == 1)
    return by_paley or _can_construct(order // 2)


def _first_of_paley(prime: int) -> Signs:
    """Order ``prime + 1``, of a prime that is 3 modulo 4: identity plus a skew matrix."""
    skew = _bordered(prime, corner=-1)
    return (np.eye(prime + 1, dtype=np.int8) + skew).astype(np.int8)


def _second_of_paley(prime: int) -> Signs:
    """Order ``2 (prime + 1)``, of a prime that is 1 modulo 4: a symmetric matrix, its zeros and signs replaced."""
    core = _bordered(prime, corner=1)
    zero, sign = np.array([[1, -1], [-1, -1]]), np.array([[1, 1], [1, -1]])
    return (np.kron(core, sign) + np.kron(np.eye(prime + 1, dtype=np.int8), zero)).astype(np.int8)


def _bordered(prime: int, *, corner: int) -> Signs:
    """Jacobsthal's matrix of quadratic residues with a border of +1 above and ``corner`` at the left; 0 diagonal."""
    squares = {number * number % prime for number in range(1, prime)}
    residues = np.array([0] + [1 if number in squares else -1 for number in range(1, prime)], dtype=np.int8)
    places = np.arange(prime)
    matrix = np.zeros((prime + 1, prime + 1), dtype=np.int8)
    matrix[1:, 1:] = residues[(places[:, None] - places[None]) % prime]
    matrix[0, 1:], matrix[1:, 0] = 1, corner
    return matrix


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
