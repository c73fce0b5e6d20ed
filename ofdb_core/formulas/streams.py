"""Every source of randomness; each stream is a function of its key alone.

The original draws from NumPy's and Python's legacy generators, both the Mersenne Twister MT19937. A kernel
makes the same numbers here, three times as fast as NumPy (the search needs 8 billion). Streams are per (seed,
category), so no result depends on workers, shards or order. Each step of a training needs many short streams, which
SplitMix64 begins at no cost.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ofdb_core.formulas.jit import copy, kernel

CHOICE_SEED = 100  # the original reseeds its map choice with this before every image
CHOICES, JITTER, VIEWPOINTS = 1, 2, 3  # the uses of a model's streams, which share no numbers
GOLDEN, FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@kernel
def split_mix(key: np.uint64, number: int) -> np.uint64:
    """Word `number` of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) from the state `key`; for draws of a training.

    It depends on key and number alone, so the compiler makes many words at a time.
    """
    z = key + (np.uint64(number) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))


@kernel
def unit(word: np.uint64) -> float:
    """The number in [0, 1) that the first 53 bits of a word stand for."""
    return (word >> np.uint64(11)) * 2.0**-53


@kernel
def units(key: np.uint64, n: int) -> np.ndarray:
    """The first n words of `split_mix` as numbers, (n,) float64: see `unit`."""
    out = np.empty(n)
    for i in range(n):
        out[i] = unit(split_mix(key, i))
    return out


@kernel
def _twist(new: np.ndarray, here: np.ndarray, following: np.ndarray, far: np.ndarray) -> None:
    for i in range(len(new)):
        y = (here[i] & np.uint32(0x80000000)) | (following[i] & np.uint32(0x7FFFFFFF))
        new[i] = far[i] ^ (y >> np.uint32(1)) ^ (np.uint32(0x9908B0DF) if y & np.uint32(1) else np.uint32(0))


@kernel
def _refill(state: np.ndarray, block: np.ndarray) -> None:
    """Fill `block` (624,) uint32 with the next words of `state` (624,) uint32, and advance it."""
    new = np.empty_like(state)
    _twist(new[:227], state[:227], state[1:228], state[397:])
    _twist(new[227:454], state[227:454], state[228:455], new[:227])
    _twist(new[454:623], state[454:623], state[455:], new[227:396])
    _twist(new[623:], state[623:], new[:1], new[396:397])
    copy(new, state)
    for i in range(len(block)):
        y = new[i]
        y ^= y >> np.uint32(11)
        y ^= (y << np.uint32(7)) & np.uint32(0x9D2C5680)
        y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
        block[i] = y ^ (y >> np.uint32(18))


@kernel
def words(state: np.ndarray, block: np.ndarray, used: int, out: np.ndarray) -> int:
    """Fill `out` (n,) uint32. used: the number of spent words of `block`; the new number is returned."""
    filled = 0
    while filled < len(out):
        if used == len(block):
            _refill(state, block)
            used = 0
        count = min(len(block) - used, len(out) - filled)
        copy(block[used : used + count], out[filled : filled + count])
        filled += count
        used += count
    return used


@kernel
def _double(high: np.uint32, low: np.uint32) -> float:
    """A float64 in [0, 1) from 27 bits of one word and 26 of the next."""
    return (np.float64(high >> np.uint32(5)) * 67108864.0 + np.float64(low >> np.uint32(6))) / 9007199254740992.0


@kernel
def doubles(state: np.ndarray, block: np.ndarray, used: int, out: np.ndarray) -> int:
    """Fill `out` (n,) float64 in [0, 1); as `words`, without a copy of the words."""
    filled = 0
    while filled < len(out):
        part, words = out[filled:], block[used:]
        count = min(len(words) // 2, len(part))
        for i in range(count):
            part[i] = _double(words[2 * i], words[2 * i + 1])
        filled += count
        used += 2 * count
        if filled < len(out):  # the block has one word left, the first of a pair, or none
            last = block[-1]
            _refill(state, block)
            if used < len(block):
                out[filled] = _double(last, block[0])
                filled += 1
                used = 1
            else:
                used = 0
    return used


class Mersenne:
    """The MT19937 stream of a key.

    An integer key gives the numbers of `numpy.random.RandomState(key)`; a list of integers is a seed as in
    Python's `random`, so `Mersenne([s])` has the words of `random.seed(s)`. position: the number of words drawn.
    """

    def __init__(self, key: int | Sequence[int]) -> None:
        self._state = np.random.RandomState(key).get_state(legacy=False)["state"]["key"].copy()
        self._block = np.empty_like(self._state)
        self._used, self.position = len(self._block), 0

    def run(self, draw: Callable[..., int], *arguments: Any) -> None:
        """Draw by draw(state, block, used, *arguments), a kernel that calls `words` and `doubles` and returns used."""
        self._used = draw(self._state, self._block, self._used, *arguments)

    def words(self, n: int) -> np.ndarray:
        """The next n words, (n,) uint32."""
        out = np.empty(n, np.uint32)
        self.run(words, out)
        self.position += n
        return out

    def skip_to(self, position: int) -> None:
        """Draw words, not kept, up to a position that is not behind."""
        while left := position - self.position:
            self.words(min(left, 2**20))

    def random(self, n: int, out: np.ndarray | None = None) -> np.ndarray:
        """(n,) float64 in [0, 1), as NumPy's legacy `random_sample(n)`; written into `out` if given."""
        out = np.empty(n) if out is None else out
        self.run(doubles, out)
        self.position += 2 * n
        return out

    def uniform(self, low: float, high: float, n: int) -> np.ndarray:
        """(n,) float64 in [low, high), as NumPy's legacy `uniform(low, high, n)`."""
        return low + (high - low) * self.random(n)

    def integer(self, low: int, high: int) -> int:
        """A number in low..high - 1, as NumPy's legacy `randint(low, high)`: masked words, drawn until one fits."""
        span = high - 1 - low
        mask = (1 << span.bit_length()) - 1
        while True:
            drawn = int(self.words(1)[0]) & mask
            if drawn <= span:
                return low + drawn

    def randint(self, low: int, high: int) -> int:
        """A number in low..high, as Python's `random.randint`: the top bits of words, drawn until one fits.

        high - low: at most 2**32 - 2, so that one word has enough bits.
        """
        span = high - low + 1
        while True:
            drawn = int(self.words(1)[0]) >> (32 - span.bit_length())
            if drawn < span:
                return low + drawn

    def patches(self, n: int) -> np.ndarray:
        """(n,) uint16 in 1..511, as n times Python's `random.randrange(1, 512)`: top bits of words; 511 is redrawn."""
        drawn = np.empty(0, np.uint32)
        while len(drawn) < n:
            top = self.words(n - len(drawn)) >> np.uint32(23)
            drawn = np.concatenate([drawn, top[top != 511]])
        return drawn.astype(np.uint16) + np.uint16(1)


def _of(*key: int) -> list[int]:
    """The key of an instance's stream: its number, the last, is left out for the first one, which is the category's."""
    return list(key if key[-1] else key[:-1])


def choices(points: int, seed: int = CHOICE_SEED, category: int | None = None, instance: int = 0) -> np.ndarray:
    """(points,) float64 in [0, 1): the numbers that choose the maps.

    Without `category` they are those of NumPy's `RandomState(seed)`, the same for every image of the original. With it
    the stream belongs to (seed, category), or to (seed, category, instance) for instances after the first: this
    project's own rule for 3D models.
    """
    return Mersenne(seed if category is None else _of(seed, category, CHOICES, instance)).random(points)


@functools.lru_cache(maxsize=2)
def shared_choices(points: int, seed: int = CHOICE_SEED) -> np.ndarray:
    """The `choices` that all images share, made once."""
    return choices(points, seed)


def jitter(n: int, seed: int, category: int | None = None, instance: int = 0) -> np.ndarray:
    """(n,) float64 in [-pi, pi): a number for each axis of each view of a 3D model, view after view, axis after axis.

    Without `category` these are the numbers of Python's `random.seed(seed)`, then `random.uniform(-pi, pi)` n times, as
    the original draws them, category after category. With it the stream is by our own rule, as for `choices`.
    """
    return Mersenne([seed] if category is None else _of(seed, category, JITTER, instance)).uniform(-np.pi, np.pi, n)


def viewpoints(n: int, seed: int, category: int) -> np.ndarray:
    """(n, 2) float64 in [0, 1): two numbers for each random viewpoint of a category; more begin with the same ones."""
    return Mersenne([seed, category, VIEWPOINTS]).random(2 * n).reshape(n, 2)


def patches(n: int, seed: int, category: int | None = None, instance: int = 0, *, start: int = 0) -> np.ndarray:
    """(n,) uint16 in 1..511: binary 3 x 3 patches, one for each dot, none empty: see `Mersenne.patches`.

    Without `category` they are those of Python's `random.seed(seed)`, as in the original. With it the stream belongs to
    (seed, category), or to (seed, category, instance) for instances after the first: this project's own rule. start:
    the position in the stream of the first one.
    """
    stream = Mersenne([seed] if category is None else _of(seed, category, instance))
    stream.skip_to(start)
    return stream.patches(n)
