"""Measured access shares: ``a[i][j]`` from a CSV file or from TOML, kept exact."""

from __future__ import annotations

import csv
import io
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.read.bounds import add_fault
from placer.read.toml_fields import describe, exact_number
from placer.text_file import read_text

SHARE: Final = "a share from 0 to 1, such as 0.25 or 1/3"

_DECIMAL: Final = re.compile(r"[0-9]{0,40}\.?[0-9]{1,40}(?:[eE]-?[0-9]{1,2})?", re.ASCII)
_RATIO: Final = re.compile(r"([0-9]{1,40})/([0-9]{1,40})", re.ASCII)

_MOST_VNODES: Final = 1024
"""Of one domain, in any syntax."""

Shares = tuple[tuple[Fraction, ...], ...]


def parse_share(value: Any) -> Fraction | None:
    """Return a share, exactly as it is written; None where it is none from 0 to 1."""
    share = None
    if not isinstance(value, str):
        share = exact_number(value)
    elif _DECIMAL.fullmatch(text := value.strip()):
        share = Fraction(text)
    elif (ratio := _RATIO.fullmatch(text)) and int(ratio[2]):
        share = Fraction(int(ratio[1]), int(ratio[2]))
    return share if share is not None and 0 <= share <= 1 else None


def read_access(path: Path, num_vnodes: int | None) -> Shares:
    """Return the rows of the CSV file ``path``, one for each vnode.

    An empty line is the row of a vnode without vcpus; missing lines at the end are
    empty ones. With ``num_vnodes`` None the shape is not checked. Raises InputError
    with every fault, each with its line.
    """
    text = read_text(path, "a CSV file of access shares")
    faults: list[Fault] = []
    rows: list[tuple[Fraction, ...]] = []
    for number, line in enumerate(text.splitlines(), start=1):

        def fault(found: str, expected: str, line_number: int = number) -> None:
            add_fault(
                faults,
                Fault(
                    source=str(path),
                    field=f"row {line_number - 1}",
                    found=found,
                    expected=expected,
                    line=line_number,
                ),
            )

        if not line.strip():
            if len(rows) <= _MOST_VNODES:  # more of them may still be an end of empty lines
                rows.append(())
            continue
        try:
            cells = next(csv.reader(io.StringIO(line), strict=True), [])
        except csv.Error as error:
            fault(str(error), "comma-separated shares")
            continue
        if not any(cell.strip() for cell in cells):
            if len(rows) <= _MOST_VNODES:
                rows.append(())
            continue
        if len(rows) >= _MOST_VNODES or len(cells) > _MOST_VNODES:
            fault(f"{len(cells)} shares", f"{_MOST_VNODES} rows of {_MOST_VNODES} at most")
            continue
        shares = [parse_share(cell) for cell in cells]
        for cell, share in zip(cells, shares, strict=True):
            if share is None:
                fault(describe(cell), SHARE)
        if num_vnodes is not None and len(cells) != num_vnodes:
            fault(f"{len(cells)} shares", f"{num_vnodes}, one for each vnode")
        rows.append(tuple(share for share in shares if share is not None))
    while rows and not rows[-1]:
        rows.pop()
    if num_vnodes is not None and len(rows) > num_vnodes:
        faults.append(
            Fault(
                source=str(path),
                field="rows",
                found=f"{len(rows)} rows",
                expected=f"{num_vnodes}, one for each vnode",
            )
        )
    if faults:
        raise InputError(faults)
    return tuple(rows) + ((),) * ((num_vnodes or 0) - len(rows))
