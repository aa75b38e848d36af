"""Random numbers of a replicate by its index: the same whoever draws it, and with whom.

A stream is Philox 4x64 (Salmon 2011, SC11), a generator that can start anywhere: its key is
a digest of the seed and of what is drawn, its counter the replicate's index times the
numbers that each replicate takes. No state passes from one replicate to the next.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtrik, ndtri

_PER_COUNT = 4  # numbers that Philox gives at each value of its counter
_FLOAT_BITS = 53


def stream_key(seed: int, *names: str) -> int:
    """The 128-bit key of the stream of a seed and of names, e.g. outcome, variant, kind."""
    text = "\0".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def uniforms(key: int, start: int, stop: int, numbers: int) -> np.ndarray:
    """Uniform numbers in (0, 1) of the replicates start..stop-1, (stop - start, numbers)."""
    counts = -(-numbers // _PER_COUNT)
    generator = np.random.Philox(key=key).advance(start * counts)
    raw = generator.random_raw((stop - start) * counts * _PER_COUNT)
    shift = np.uint64(64 - _FLOAT_BITS)
    inside = ((raw >> shift) + 0.5) * 2.0**-_FLOAT_BITS
    rows = np.minimum(inside, 1 - 2.0**-_FLOAT_BITS).reshape(stop - start, counts * _PER_COUNT)
    return rows[:, :numbers]


def multiplicities(uniform: np.ndarray) -> np.ndarray:
    """How often each of k studies is drawn in k draws with replacement: (B, k) from (B, k)."""
    rows, k = uniform.shape
    drawn = (uniform * k).astype(int) + k * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * k).reshape(rows, k)


def normals(uniform: np.ndarray) -> np.ndarray:
    """Standard normal numbers, by inversion."""
    return ndtri(uniform)


def binomials(uniform: np.ndarray, total: ArrayLike, p: ArrayLike) -> np.ndarray:
    """Binomial counts by inversion: the least x with P(X <= x) >= u. Broadcast together."""
    total = np.asarray(total, dtype=float)
    return np.clip(np.ceil(bdtrik(uniform, total, p)), 0.0, total)
