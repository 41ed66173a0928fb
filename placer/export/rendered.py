"""What every export takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Numbering = Literal["vnode", "guest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Options of the exports; each format takes those that concern it.

    ``domid`` is the id of the exported domain in a dump, ``numbering`` whether nodes are
    numbered as vnodes or as the guest numbers them (None: as the guest does).
    """

    domid: int | None = None
    numbering: Numbering | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The text of an export, which ends with a newline, and what its user must know."""

    text: str
    warnings: tuple[str, ...] = ()
