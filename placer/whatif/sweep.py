"""Grids: every combination of some figures, each a scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import product
from math import prod
from typing import Final

from placer.errors import Fault, InputError
from placer.host import SmtMode
from placer.read.host_layout import MOST_OVERCOMMIT, parse_smt
from placer.read.policies import read_policy
from placer.scenario import Change, CountHosts, Scenario, SetHosts, SetPolicy
from placer.units import pages_from_bytes, parse_size

MOST_CELLS: Final = 100_000
_MOST_VALUES: Final = 10_000
_ALL: Final = ("*",)


def sweep_scenarios(axes: Sequence[str]) -> tuple[Scenario, ...]:
    """Return a scenario for each cell of the grid that ``axes`` span, the last axis fastest.

    An axis is ``"overcommit=1.0,1.5,2.0"``, ``"overcommit=1.0:2.0:0.25"`` (first, last, step),
    and likewise ``hosts`` (how many), ``reserve`` (a size), ``policy`` and ``smt``. Raises
    InputError with the faults of all axes.
    """
    faults: list[Fault] = []
    listed: list[list[tuple[str, Change]]] = []
    names: set[str] = set()
    for axis in axes:
        name, equals, text = axis.partition("=")
        if not equals or name not in _AXES or name in names:
            found = f"{name!r} again" if name in names else repr(axis)
            expected = f"NAME=VALUES, NAME one of {', '.join(_AXES)}"
            faults.append(Fault(source="--set", field="axis", found=found, expected=expected))
            continue
        names.add(name)
        values = []
        try:
            texts = _values(text)
        except ValueError as error:
            faults.append(Fault(source="--set", field=name, found=repr(text), expected=str(error)))
            continue
        for value in texts:
            try:
                values.append((f"{name}={value}", _AXES[name](value)))
            except ValueError as error:
                faults.append(
                    Fault(source="--set", field=name, found=repr(value), expected=str(error))
                )
            except InputError as error:
                faults.extend(error.faults)
        listed.append(values)
    cells = prod(map(len, listed))
    if cells > MOST_CELLS:
        faults.append(
            Fault(
                source="--set",
                field="grid",
                found=f"{cells} cells",
                expected=f"{MOST_CELLS} or fewer",
            )
        )
    if faults:
        raise InputError(faults)
    return tuple(
        Scenario(
            name=" ".join(label for label, _ in cell),
            changes=tuple(change for _, change in cell),
            solve="fresh",
        )
        for cell in product(*listed)
    )


def _values(text: str) -> list[str]:
    """The values of a list, or of a range with its step; ValueError says what a range has to be."""
    parts = text.split(":")
    if len(parts) != 3:
        return list(dict.fromkeys(text.split(",")))
    try:
        first, last, step = (Decimal(part) for part in parts)
    except InvalidOperation:
        return [text]
    if not (first.is_finite() and last.is_finite() and step.is_finite()):
        return [text]
    if step <= 0:
        raise ValueError("FIRST:LAST:STEP with a step above 0")
    if last < first:
        raise ValueError("FIRST:LAST:STEP with a last value that is not below the first")
    if last - first > step * _MOST_VALUES:
        raise ValueError(f"FIRST:LAST:STEP with {_MOST_VALUES} steps or fewer")
    found = []
    while first <= last:
        found.append(format(first, "f"))
        first += step
    return found


def _overcommit(text: str) -> Change:
    expected = f"a number above 0, {MOST_OVERCOMMIT} at most"
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(expected) from None
    if not number.is_finite() or not 0 < number <= MOST_OVERCOMMIT:
        raise ValueError(expected)
    return SetHosts(hosts=_ALL, overcommit=Fraction(number))


def _hosts(text: str) -> Change:
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text)):
        raise ValueError("how many hosts, 1 or more")
    return CountHosts(number=int(text))


def _reserve(text: str) -> Change:
    try:
        pages = pages_from_bytes(parse_size(text))
    except ValueError:
        raise ValueError("a size in whole pages, such as 512MiB or 16GiB") from None
    return SetHosts(hosts=_ALL, reserve_pages=pages)


def _policy(text: str) -> Change:
    return SetPolicy(policy=read_policy(text))


def _smt(text: str) -> Change:
    parsed = parse_smt(text)
    if parsed is None:
        raise ValueError("threads, cores or penalty=W")
    modes: dict[str, SmtMode] = {"threads": "threads", "cores": "cores", "penalty": "penalty"}
    return SetHosts(hosts=_ALL, smt=modes[parsed[0]], smt_penalty=parsed[1])


_AXES: Final[dict[str, Callable[[str], Change]]] = {
    "overcommit": _overcommit,
    "hosts": _hosts,
    "reserve": _reserve,
    "policy": _policy,
    "smt": _smt,
}
