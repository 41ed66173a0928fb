"""The captured output that several tests read: tests/read/data/README.md says where from."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from placer.errors import Fault
from placer.host import Host
from placer.read.host_formats import read_parts
from placer.read.host_parts import build_host, join_parts

CAPTURES = Path(__file__).parent / "data" / "captures"


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tree of sysfs and return its root."""
    with tarfile.open(archive) as tar:
        # Python 3.11.3 and older have no filters; later ones ask for one.
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:
            tar.extractall(folder)
    tops = [path for path in folder.iterdir() if path.is_dir()]
    return tops[0] if len(tops) == 1 and tops[0].name not in ("sys", "proc") else folder


def view_of(path: Path) -> dict[str, Any]:
    """Return hwloc's own reading of a file or a tree."""
    stem = path.name.removesuffix(".xml").removesuffix(".tar.bz2")
    view: dict[str, Any] = json.loads((path.parent / f"{stem}.view.json").read_text())
    return view


def host_of(*paths: Path) -> Host:
    """Return the host that some sources describe together."""
    return host_and_warnings(*paths)[0]


def host_and_warnings(*paths: Path) -> tuple[Host, list[Fault]]:
    """Return the host that some sources describe together, and what is assumed of it."""
    return build_host(join_parts([read_parts(path)[0] for path in paths]), "host")


def pcpus_of(host: Host, pnode: int) -> list[int]:
    """Return the pcpus of a pnode."""
    pcpus: list[int] = host.pcpu_ids[host.pcpu_pnode == pnode].tolist()
    return pcpus
