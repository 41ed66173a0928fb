"""Read-only arrays, and equality of the frozen values that hold them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def read_only(values: npt.ArrayLike, *, ndim: int = 1) -> Ints:
    """Return ``values`` as a read-only int64 array with ``ndim`` dimensions.

    It is a copy, unless ``values`` is such an array already: equal domains of a fleet
    share theirs. Raises ValueError where the values are no whole numbers or the shape
    is another.
    """
    if _is_read_only(values) and values.ndim == ndim:
        return values
    array = np.array(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != ndim:
        raise ValueError(f"expected whole numbers in {ndim} dimensions")
    array = array.astype(np.int64, copy=False)
    array.setflags(write=False)
    return array


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
