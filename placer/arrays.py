"""Read-only arrays, and equality of the frozen values that hold them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def read_only(values: npt.ArrayLike, *, ndim: int = 1) -> Ints:
    """Return a read-only int64 copy of ``values`` with ``ndim`` dimensions.

    Raises ValueError where the values are no whole numbers or the shape is another.
    """
    array = np.array(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != ndim:
        raise ValueError(f"expected whole numbers in {ndim} dimensions")
    array = array.astype(np.int64, copy=True)
    array.setflags(write=False)
    return array


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
