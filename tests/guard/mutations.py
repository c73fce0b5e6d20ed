"""What damage, mistakes and malice do to a file: each mutation takes bytes and a generator of random choices."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

VICTIM = "outside/thesis.txt"  # what hostile names lead to, beside the folder that is read
NAMES = (
    *(f"../{VICTIM}", f"../../{VICTIM}", f"a/../../{VICTIM}", f"./../{VICTIM}", f"..\\{VICTIM}", f"C:\\{VICTIM}"),
    *("", ".", "..", "/", "a\0b", "a\nb", "\u2028", "\ud800", "a" * 250, "a" * 300, "a/" * 600 + "a", "$\\frac$"),
    *("-rf", "CON", ".hidden", "a ", "é", "é", "%s", "{}", "<b>", "manifest.json", "manifest.part", ".lock", ".x.part"),
)
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**25, 1e308, float("inf"), float("nan"), 0.5, 1e-320)
VALUES: tuple[Any, ...] = (None, True, False, "", "0", "nan", [], {}, [[]], [None], {"": None}, *NUMBERS, *NAMES)
DEEP = 100_000
WORDS = (
    *(
        b"nan",
        b"inf",
        b"-1",
        b"1e999",
        b"0x10",
        b"1" + b"0" * 400,
        b"1" + b"0" * 5000,
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *(
        b"\n",
        b"\r\n",
        b",",
        b'"',
        b"'",
        b"[",
        b"{",
        b": ",
        b"- ",
        b"&a ",
        b"*a",
        b"!!python/object:os.system ",
        b"<<: ",
    ),
    *(
        b"[" * DEEP,
        b"{a: " * 5000,
        b"a" * 200_000,
        b"1,2\n" * 20_000,
        *(name.encode(errors="ignore") for name in NAMES),
    ),
)

Mutation = Callable[[bytes, Random], bytes]
Files = dict[str, bytes]  # of what a reader reads: name -> content


def truncated(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def flipped(data: bytes, rng: Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def spliced(data: bytes, rng: Random) -> bytes:
    """A part left out, doubled, or replaced by a word that readers stumble over."""
    begin, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    end = min(end, begin + rng.choice((0, 1, 4, 40)))
    middle = rng.choice((b"", data[begin:end] * 2, rng.choice(WORDS), rng.choice(WORDS)))
    return data[:begin] + middle + data[end:]


def replaced_number(data: bytes, rng: Random) -> bytes:
    """Four or eight bytes that say how much there is, in the files that have such."""
    place, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8))
    number = rng.choice((0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (4 * size))) % 2 ** (8 * size)
    return data[:place] + number.to_bytes(size, rng.choice(("little", "big"))) + data[place + size :]


BYTES: tuple[Mutation, ...] = (truncated, flipped, spliced, replaced_number)


def _at_random(value: Any, rng: Random, other: Callable[[Any], Any]) -> Any:
    """The value with one of the values in it, or one of the names, replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        if rng.random() < 0.3:
            new = rng.choice(NAMES)
            return {new if name == key else name: entry for name, entry in value.items()}
        if rng.random() < 0.15:
            return {name: entry for name, entry in value.items() if name != key}
        return {**value, key: _at_random(value[key], rng, other)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        return [*value[:place], _at_random(value[place], rng, other), *value[place + 1 :]]
    return other(value)


def altered_json(data: bytes, rng: Random) -> bytes:
    """JSON whose values or names are others; of the wrong type, too large, too deep, hostile."""
    text = json.dumps(_at_random(json.loads(data), rng, lambda _: rng.choice((*VALUES, "DEEP"))))
    return text.replace('"DEEP"', "[" * DEEP + "]" * DEEP).encode()
