"""What every export takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from placer.domain import DomainType

Numbering = Literal["vnode", "guest"]
Era = Literal["upstream", "seed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Options of the exports; docs/formats.md says which format takes which.

    ``domid`` is the id of the exported domain in a dump, ``numbering`` whether nodes are
    numbered as vnodes or as the guest numbers them (None: as the guest does), ``type`` the
    type that the domain is created as (None: its own), ``to_set`` whether the structure is
    that which sets the topology, and ``era`` whose structures they are.
    """

    domid: int | None = None
    numbering: Numbering | None = None
    type: DomainType | None = None
    to_set: bool = False
    era: Era = "upstream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What an export is, and what its user must know.

    ``text``, which ends with a newline; or ``data`` where it is no text; or ``files``, (name,
    content) of each, where one file does not hold it.
    """

    text: str = ""
    data: bytes | None = None
    files: tuple[tuple[str, bytes], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        """The bytes of the one file that it is; none where it is several."""
        return self.text.encode() if self.data is None else self.data
