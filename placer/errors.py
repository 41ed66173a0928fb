"""The one family of errors, and the faults that they carry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, or worth a warning, in what a user gave.

    ``source`` is the file or the argument, ``field`` the part of it. ``found`` and ``expected``
    are short phrases; ``line`` and ``column`` count from 1 and are None where the source has no
    lines.
    """

    source: str
    field: str
    found: str
    expected: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.source
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        text = f"{place}: {self.field}: found {self.found}"
        return f"{text}, expected {self.expected}" if self.expected else text


class PlacerError(Exception):
    """Any failure that placer itself reports; the program exits with ``exit_code``."""

    exit_code = 1


class InputError(PlacerError):
    """What the user gave cannot be read or contradicts itself.

    ``faults`` are all of them at once; as text it has a line for each.
    """

    exit_code = 2

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class RefusedError(PlacerError):
    """A thing that was asked for cannot be done for a stated reason (an export, say)."""

    exit_code = 2


class AllocationError(PlacerError):
    """The heap of a host cannot realise a placement.

    The fields say what was learnt: vnode ``vnode`` of ``domain`` wanted ``wanted``
    extents of ``order`` on pnode ``pnode`` of ``host``, where ``available`` are left.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        domain: str,
        host: str,
        vnode: int,
        pnode: int,
        order: int,
        wanted: int,
        available: int,
    ) -> None:
        self.domain = domain
        self.host = host
        self.vnode = vnode
        self.pnode = pnode
        self.order = order
        self.wanted = wanted
        self.available = available
        super().__init__(message)


class ModelError(PlacerError):
    """The solver rejected the model or an answer failed the checker: a defect of placer."""


class TooLargeError(PlacerError):
    """A model would not fit into the memory that it may take; it was not begun."""

    exit_code = 4


class EngineError(PlacerError):
    """What was to be solved elsewhere was not: workers were lost, or a defect of placer."""
