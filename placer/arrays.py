"""Read-only arrays, and equality of the frozen values that hold them."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def read_only(values: npt.ArrayLike, *, ndim: int = 1, name: str = "") -> Ints:
    """Return ``values`` as a read-only int64 array with ``ndim`` dimensions.

    It is a copy, unless ``values`` is such an array already: equal domains of a fleet
    share theirs. Raises ValueError, which says what was found under ``name``, where the
    values are no whole numbers of 64 bits or the shape is another.
    """
    if _is_read_only(values) and values.ndim == ndim:
        return values
    label = f"{name}: " if name else ""
    expected = f"expected whole numbers in {ndim} {'dimension' if ndim == 1 else 'dimensions'}"
    try:
        array = np.array(values)
    except ValueError:
        raise ValueError(f"{label}found rows of several lengths, {expected}") from None
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != ndim:
        raise ValueError(f"{label}found {array.dtype} of shape {array.shape}, {expected}")
    if array.dtype == np.uint64 and (array > _MOST).any():
        raise ValueError(f"{label}found {array.max()}, expected {_MOST} or less")
    array = array.astype(np.int64, copy=False)
    array.setflags(write=False)
    return array


_MOST: Final = np.iinfo(np.int64).max


def _is_read_only(values: object) -> TypeGuard[Ints]:
    """Whether nobody can write to ``values``; a view of another array may be written through it."""
    return (
        isinstance(values, np.ndarray)
        and values.dtype == np.int64
        and not values.flags.writeable
        and values.base is None
    )


def one_by_one(counts: Ints) -> tuple[Ints, Ints]:
    """Return the row and the place in its row of each of ``counts[row]`` things, row by row."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)


def rows_of_three(values: npt.ArrayLike, name: str) -> Ints:
    """Return ``values`` as a read-only array of shape (S, 3), S being 0 for nothing.

    Raises ValueError as `read_only` does.
    """
    if np.size(values) == 0:
        values = np.empty((0, 3), dtype=np.int64)
    rows = read_only(values, ndim=2, name=name)
    if rows.shape[1] != 3:
        raise ValueError(f"{name}: found rows of {rows.shape[1]} figures, expected 3")
    return rows


def exact(number: Fraction | float, name: str) -> Fraction:
    """Return a number as a fraction of the same value; ValueError where it is none."""
    try:
        return Fraction(number)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {number!r}, expected a number") from None


ABSENT: Final = read_only([])
"""Stands for an array that was not given; the value that takes it fills in its default."""


def same_fields(left: object, right: object) -> bool:
    """Return whether two dataclass values of one type are equal, arrays by content.

    Fields that are declared with ``compare=False`` do not count.
    """
    if type(left) is not type(right):
        return False
    return all(
        _same(getattr(left, field.name), getattr(right, field.name))
        for field in fields(left)  # type: ignore[arg-type]
        if field.compare
    )


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.array_equal(left, right)
    return bool(left == right)
