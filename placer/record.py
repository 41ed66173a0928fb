"""Problems, answers and frames as plain values for JSON, exactly and in a stable order.

A frozen value becomes a dict of its fields in the order of its class. Fields that take no
part in comparison (where a thing was read from, how long a level took) are left out, so
equal values have equal records. Arrays and tuples become lists, fractions ``"a/b"``, CPU
lists their text. Restoring is strict: a field too many or too few is an error.
"""

from __future__ import annotations

import json
import re
import types
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cache
from itertools import accumulate
from math import isfinite
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from placer.cpulist import CpuList
from placer.errors import Fault, InputError
from placer.frames import DomainFrames
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Result

SCHEMA_VERSION: Final = 2

_MOST_DEPTH: Final = 100
_MOST_INT: Final = 10**300
"""As large as a double can be, so that any two of them have a ratio."""

_QUOTED: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.S)
_FRACTION: Final = re.compile(r"-?[0-9]{1,400}(?:/[0-9]{1,400})?", re.ASCII)

_Value = TypeVar("_Value")


class _MismatchError(ValueError):
    """A record that does not fit: where, what was found, what was expected."""

    def __init__(self, path: str, found: str, expected: str) -> None:
        super().__init__(path, found, expected)
        self.path, self.found, self.expected = path, found, expected


def record_problem(problem: Problem) -> dict[str, Any]:
    """Return ``problem`` as plain values."""
    return {"schema_version": SCHEMA_VERSION, **_plain(problem)}


def restore_problem(data: object, source: str) -> Problem:
    """Return the problem that ``data`` records; InputError names ``source``."""
    return _restore(Problem, data, source)


def plain_values(value: object) -> Any:
    """Return any frozen value as plain ones, equal for equal values."""
    return _plain(value)


def record_placement(placement: Placement) -> dict[str, Any]:
    """Return ``placement`` as plain values."""
    return {"schema_version": SCHEMA_VERSION, **_plain(placement)}


def restore_placement(data: object, source: str) -> Placement:
    """Return the placement that ``data`` records; InputError names ``source``."""
    return _restore(Placement, data, source)


def record_result(result: Result) -> dict[str, Any]:
    """Return ``result`` as plain values, without the seconds of its levels."""
    return {"schema_version": SCHEMA_VERSION, **_plain(result)}


def restore_result(data: object, source: str) -> Result:
    """Return the result that ``data`` records; InputError names ``source``."""
    return _restore(Result, data, source)


def record_frames(frames: Sequence[DomainFrames]) -> dict[str, Any]:
    """Return the frames of several domains as plain values: one row for each run of extents."""
    return {"schema_version": SCHEMA_VERSION, "domains": [_plain(domain) for domain in frames]}


def restore_frames(data: object, source: str) -> tuple[DomainFrames, ...]:
    """Return the frames that ``data`` records; InputError names ``source``."""
    try:
        table = _table(data, {"schema_version", "domains"}, "")
        _check_version(table)
        domains = _decode(tuple[DomainFrames, ...], table["domains"], "domains")
    except _MismatchError as error:
        raise _input_error(error, source) from error
    return cast("tuple[DomainFrames, ...]", domains)


def format_json(data: object) -> str:
    """Return ``data`` as JSON text: one line for each field, lists of plain values on one line.

    ASCII, LF, with a final line end. Raises ValueError for NaN and infinities.
    """
    return _format(data, "") + "\n"


def parse_json(text: str, source: str) -> Any:
    """Return the value that JSON ``text`` writes; InputError where it is no strict JSON.

    What is nested deeper than any document of the formats read is refused, as are numbers beyond
    those of the machine.
    """
    try:
        if _depth(text) > _MOST_DEPTH:
            raise RecursionError
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        fault = Fault(
            source=source,
            field="JSON",
            found=error.msg,
            expected="a JSON document",
            line=error.lineno,
            column=error.colno,
        )
    except (ValueError, RecursionError) as error:
        found = "values nested too deeply" if isinstance(error, RecursionError) else str(error)
        fault = Fault(source=source, field="JSON", found=found, expected="a JSON document")
    raise InputError(fault)


def _depth(text: str) -> int:
    """Return how deep the brackets of JSON nest."""
    brackets = _QUOTED.sub("", text)
    return max(accumulate(1 if sign in "[{" else -1 for sign in brackets), default=0)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:40]}, beyond the numbers of the machine")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"{twice[:40]!r} twice in one object")
    return table


def _format(data: object, indent: str) -> str:
    inner = indent + "  "
    if isinstance(data, dict) and data:
        rows = [f"{inner}{json.dumps(key)}: {_format(data[key], inner)}" for key in data]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(data, list) and any(isinstance(item, dict | list) for item in data):
        if _is_table(data):
            rows = [f"{inner}[{', '.join(map(str, row))}]" for row in data]
            return "[\n" + ",\n".join(rows) + f"\n{indent}]"
        rows = [inner + _format(item, inner) for item in data]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    return json.dumps(data, allow_nan=False)


def _is_table(data: list[Any]) -> bool:
    """Whether all items are lists of whole numbers, as an array of two dimensions is recorded."""
    return all(type(row) is list and all(type(item) is int for item in row) for row in data)


@cache
def _recorded_fields(kind: Any) -> dict[str, Any]:
    """Return name and type of each field of a dataclass that takes part in comparison."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.compare}


def _plain(value: Any) -> Any:
    if isinstance(value, CpuList):
        return value.text
    if is_dataclass(value):
        kind: Any = type(value)
        return {name: _plain(getattr(value, name)) for name in _recorded_fields(kind)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _restore(kind: type[_Value], data: object, source: str) -> _Value:
    try:
        names = _recorded_fields(cast("Any", kind))
        table = _table(data, {"schema_version", *names}, "")
        _check_version(table)
        del table["schema_version"]
        return cast("_Value", _decode(kind, table, ""))
    except _MismatchError as error:
        raise _input_error(error, source) from error


def _input_error(error: _MismatchError, source: str) -> InputError:
    return InputError(
        Fault(
            source=source,
            field=error.path or "record",
            found=error.found,
            expected=error.expected,
        )
    )


def _check_version(table: dict[str, Any]) -> None:
    version = table["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:
        raise _MismatchError("schema_version", repr(version), str(SCHEMA_VERSION))


def _table(data: object, names: set[str], path: str) -> dict[str, Any]:
    """Return a copy of the dict ``data``, which has exactly the keys ``names``."""
    if not isinstance(data, dict):
        raise _MismatchError(path, _kind_of(data), "an object")
    if missing := sorted(names - data.keys()):
        raise _MismatchError(path, f"no field {missing[0]!r}", "every field of the record")
    if extra := sorted(map(str, data.keys() - names)):
        raise _MismatchError(path, f"the field {extra[0]!r}", "no other field than the record's")
    return dict(data)


def _kind_of(data: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(data), type(data).__name__)


def _decode(kind: Any, data: Any, path: str) -> Any:
    """Return ``data`` as a value of the type ``kind``; ``path`` names it in an error."""
    origin = get_origin(kind)
    if kind is Any:
        return data
    if origin in (Union, types.UnionType):
        return _decode_optional(kind, data, path)
    if origin is Literal:
        if not isinstance(data, str) or data not in get_args(kind):
            raise _MismatchError(path, repr(data), " or ".join(map(repr, get_args(kind))))
        return data
    if origin is tuple:
        return _decode_tuple(kind, data, path)
    if origin is np.ndarray:
        return _decode_array(data, path)
    if kind is Fraction or kind is CpuList:
        return _decode_text(kind, data, path)
    if is_dataclass(kind):
        return _decode_dataclass(cast("type", kind), data, path)
    if type(data) is int and abs(data) > _MOST_INT:
        raise _MismatchError(path, "a number of more than 300 digits", "one that can be")
    if kind is float and type(data) is int:
        return float(data)
    if type(data) is not kind:
        expected = _kind_of(kind()) if kind in (bool, int, float, str) else str(kind)
        raise _MismatchError(path, _kind_of(data), expected)
    return data


def _decode_optional(kind: Any, data: Any, path: str) -> Any:
    (some,) = (arm for arm in get_args(kind) if arm is not type(None))
    return None if data is None else _decode(some, data, path)


def _decode_tuple(kind: Any, data: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _MismatchError(path, _kind_of(data), "a list")
    arms = get_args(kind)
    if arms[-1] is Ellipsis:
        arms = (arms[0],) * len(data)
    if len(arms) != len(data):
        raise _MismatchError(path, f"{len(data)} entries", f"{len(arms)} entries")
    return tuple(
        _decode(arm, item, f"{path}[{index}]")
        for index, (arm, item) in enumerate(zip(arms, data, strict=True))
    )


def _decode_array(data: Any, path: str) -> Any:
    if not isinstance(data, list):
        raise _MismatchError(path, _kind_of(data), "a list")
    rows = data if any(isinstance(row, list) for row in data) else [data]
    for row in rows:
        if not isinstance(row, list) or any(type(item) is not int for item in row):
            raise _MismatchError(path, "something else", "whole numbers")
    try:
        return np.array(data, dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise _MismatchError(path, str(error), "rows of one length, below 2^63") from error


def _decode_text(kind: Any, data: Any, path: str) -> Any:
    if not isinstance(data, str):
        raise _MismatchError(path, _kind_of(data), "a string")
    # A Fraction takes exponents too, and a power of ten as large as they say.
    if kind is Fraction and not _FRACTION.fullmatch(data):
        raise _MismatchError(path, repr(data[:40]), "a fraction such as 3/2")
    try:
        return Fraction(data) if kind is Fraction else CpuList.parse(data)
    except (ValueError, ZeroDivisionError) as error:
        raise _MismatchError(path, repr(data[:40]), str(error)) from error


def _decode_dataclass(kind: type, data: Any, path: str) -> Any:
    hints = _recorded_fields(kind)
    table = _table(data, set(hints), path)
    prefix = f"{path}." if path else ""
    values = {name: _decode(hints[name], table[name], prefix + name) for name in hints}
    try:
        return kind(**values)
    except _MismatchError:
        raise
    except ValueError as error:
        raise _MismatchError(path, str(error), "figures that agree") from error
