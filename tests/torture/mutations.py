"""Changes of valid files: of bytes, of words of a format, of numbers, and of parts of JSON values."""

import json
import random
import re
from copy import deepcopy
from typing import Any

NUMBERS = (
    *("0", "-1", "1", "2.5", "nan", "inf", "-inf", "1e400", "1e-400", "99999999999999999999", "1_000", "0x10", "+7"),
    *("4611686018427387904", "2147483648", "-2147483649", "9007199254740993", "1" * 400, "٣", "1,000", "", "true"),
)
SPECIAL = (
    *(b"", b" ", b"\n", b"\r", b"\r\n", b"\t", b"\0", b'"', b"'", b",", b";", b"|", b":", b"\\", b"\\N", b"\x1b[2J"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", "\u2028".encode(), "é".encode(), b"\xe9", b"\x1a"),
    *(b"<DOC>", b"</DOC>", b"<TEXT>", b"{", b"}", b"[", b"]", b"null", b"#", b"%", b"=", b"text", b"id", b"NA"),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        0.5,
        -0.5,
        10**20,
        2**53,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "a",
        "\0",
        "1_0",
    ),
    *([], [1], [[]], ["a", "a"], {}, {"a": 1}, "softmax", "a" * 300, [10**6], ["a", None], "٣", "\ud800"),
)
_NUMBER = re.compile(rb"[0-9]+(\.[0-9]+)?")


def mutate(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return content with one to five changes; `others` are valid files of the same format."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        _change(data, others, rng)
    return bytes(data[: 1 << 20])


def _change(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    stop = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 30, 200)))
    match rng.randrange(12):
        case 0 if data:
            place = rng.randrange(len(data))
            data[place] ^= 1 << rng.randrange(8)
        case 1:
            data[at : at + 1] = bytes([rng.randrange(256)])
        case 2:
            del data[at:stop]
        case 3:
            del data[at:]
        case 4:
            data[at:at] = data[at:stop] * rng.choice((1, 2, 10))
        case 5:
            data[at:at] = rng.choice(SPECIAL)
        case 6:
            data[at:stop] = rng.choice(SPECIAL)
        case 7 if numbers := list(_NUMBER.finditer(data)):
            place = rng.choice(numbers)
            data[place.start() : place.end()] = rng.choice(NUMBERS).encode()
        case 8:
            width = rng.choice((1, 2, 4, 8))
            data[at : at + width] = rng.choice((0, 1, -1, 2**31 - 1, -(2**31), 255)).to_bytes(8, "little", signed=True)[
                :width
            ]
        case 9:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[at:stop] = other[start : start + rng.choice((4, 20, 100))]
        case 10 if rng.random() < 0.1:  # for readers whose time grows with the square of the size
            data[at:at] = (rng.choice(SPECIAL) + bytes(data[at : at + rng.randrange(8)])) * rng.choice(
                (300, 3000, 20_000)
            )
        case _:
            other = rng.randrange(len(data) + 1)
            first, second = data[at : at + 8], data[other : other + 8]
            data[at : at + len(first)] = second
            data[other : other + len(second)] = first


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Return JSON with one to three changed, missing or additional parts; the changed JSON is valid."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        value = _change_value(value, rng)
    return json.dumps(value).encode()


def _change_value(value: Any, rng: random.Random) -> Any:
    containers, waiting = [], [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list) and each:
            containers.append(each)
            waiting += each.values() if isinstance(each, dict) else each
    if not containers or rng.random() < 0.03:
        return deepcopy(rng.choice(VALUES))
    place = rng.choice(containers)
    key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
    match rng.randrange(6):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[rng.choice(("x", "", key + "s"))] = deepcopy(place[key])
        case 1:
            place.append(deepcopy(place[key]))
        case 2 if isinstance(place[key], int | float):
            place[key] = rng.choice((-place[key], place[key] + 1, place[key] * 10**6, str(place[key]), [place[key]]))
        case _:
            place[key] = deepcopy(rng.choice(VALUES))
    return value


def generate(words: list[bytes], rng: random.Random) -> bytes:
    """Return a file of words of a format in any order, some of them often."""
    parts = []
    for _ in range(rng.choice((0, 1, 3, 10, 40))):
        word = rng.choice(SPECIAL) if rng.random() < 0.15 else rng.choice(words)
        parts.append(word * (rng.choice((2, 50)) if rng.random() < 0.1 else 1))
    return b"".join(parts)


def words_of(contents: list[bytes]) -> list[bytes]:
    """Return the words, numbers and signs of valid files, for `generate`."""
    found = {word for content in contents for word in re.findall(rb"\w+|[^\w]", content[:4000])}
    return sorted(found) + [b"\n", b"\n", b" "] + [number.encode() for number in NUMBERS]
