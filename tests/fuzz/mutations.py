"""Hypothesis strategies that spoil a good sample, byte by byte and in its structure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from tests.fuzz.nasty import BYTES, NUMBERS

_TOKEN: Final = re.compile(rb"[0-9][0-9A-Za-z.]*|[A-Za-z_][\w:-]*|\s+|.", re.S)
_MOST: Final = 64 << 10

Change = Callable[[st.DrawFn, bytes], bytes]


def spoilt(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return samples with one to four changes each."""
    kept = [sample for sample in samples if len(sample) <= _MOST] or [b""]
    return _spoilt(kept)


@st.composite
def _spoilt(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    data = draw(st.sampled_from(samples))
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4)):
        data = change(draw, data)[:_MOST]
    return data


def _token(draw: st.DrawFn, data: bytes) -> bytes:
    """Another word, number or sign in the place of one."""
    spots = [match.span() for match in _TOKEN.finditer(data[:4000])]
    if not spots:
        return draw(_WORDS)
    start, end = draw(st.sampled_from(spots))
    return data[:start] + draw(_WORDS) + data[end:]


def _number(draw: st.DrawFn, data: bytes) -> bytes:
    """A number that cannot be in the place of one."""
    spots = [match.span() for match in re.finditer(rb"[0-9]+", data[:8000])]
    if not spots:
        return data
    start, end = draw(st.sampled_from(spots))
    return data[:start] + draw(st.sampled_from(NUMBERS)).encode() + data[end:]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    place = draw(st.integers(0, len(data)))
    return data[:place] + draw(_WORDS) + data[place:]


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    if not data:
        return data
    place = draw(st.integers(0, len(data) - 1))
    return data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    """Truncated, as a write that was broken off leaves it."""
    return data[: draw(st.integers(0, len(data)))]


def _drop(draw: st.DrawFn, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    first = draw(st.integers(0, len(lines) - 1))
    del lines[first : first + draw(st.integers(1, 3))]
    return b"".join(lines)


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    """Lines, a section or a name, once more."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    first = draw(st.integers(0, len(lines) - 1))
    some = lines[first : first + draw(st.integers(1, 12))]
    lines[first:first] = some * draw(st.sampled_from([1, 2, 40]))
    return b"".join(lines)


def _swap(draw: st.DrawFn, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return data
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _line_ends(draw: st.DrawFn, data: bytes) -> bytes:
    return data.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b"", b"\n\n", b"\0\n"])))


def _mark(draw: st.DrawFn, data: bytes) -> bytes:
    return draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\n", b" "])) + data


def _encoding(draw: st.DrawFn, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-7"])))


def _value(draw: st.DrawFn, data: bytes) -> bytes:
    """In JSON, any value in the place of any other; elsewhere as `_token`."""
    try:
        root = json.loads(data)
    except ValueError:
        return _token(draw, data)
    places = list(_places(root))
    if not places:
        return data
    holder, key = draw(st.sampled_from(places[:400]))
    change = draw(st.sampled_from(["set", "delete", "copy"]))
    if change == "set":
        holder[key] = draw(_VALUES)
    elif change == "delete":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[f"{key}x"] = holder[key]
    return json.dumps(root).encode()


def _places(value: Any) -> Any:
    """Yield each place in a JSON value as what holds it and its key there."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


_WORDS: Final = st.one_of(
    st.sampled_from(BYTES),
    st.sampled_from([number.encode() for number in NUMBERS]),
    st.binary(max_size=6),
)
_VALUES: Final[st.SearchStrategy[Any]] = st.one_of(
    st.sampled_from(
        [
            None, True, -1, 0, 1, 255, 2**31, 2**63, 10**300, -(2**63) - 1, 0.5, float("nan"),
            float("inf"), 1e308, "", "0", "1/0", "1e999999", "nan", "\0", "\ud800", "a" * 3000,
            "../x", [], {}, [[]], [{}], {"": {}}, [0, 0, 0], [[0, 1], [1]], "9" * 5000,
        ]
    ),
    st.builds(_nested, st.sampled_from([30, 90, 400])),
    st.integers(),
    st.text(max_size=4),
)  # fmt: skip

CHANGES: Final[tuple[Change, ...]] = (
    _token,
    _number,
    _insert,
    _flip,
    _cut,
    _drop,
    _repeat,
    _swap,
    _line_ends,
    _mark,
    _encoding,
    _value,
    _value,
)
