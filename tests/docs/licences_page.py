"""The generated part of docs/licences.md: what is pinned, under which licence, and who needs it."""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.blocks import block_of

PERMISSIVE: Final = frozenset(
    "0BSD Apache-2.0 BSD BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT MIT-CMU PSF PSF-2.0 Zlib".split()
)
PER_FILE: Final = frozenset({"MPL-2.0"})
"""Changed files of these stay under their licence; what is beside them does not."""

_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF",
}
_WORDS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC License": "ISC",
    "PSFL": "PSF",
}
"""What else the metadata say, in the words of SPDX where they are as exact."""

_TOLD: Final = ("License-Expression", "License")
_LICENCE_FILE: Final = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)", re.IGNORECASE)
_LIBRARY: Final = re.compile(r"lib(\w+?)(?:-[0-9a-f]{8})*\.so")
_ELSEWHERE: Final = ({"os_name": "nt", "sys_platform": "win32"},)
"""Where else a marker may hold than on Linux; the Pythons are told by their versions."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One line of constraints.txt, with the hashes of its files."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def holds(self, python: str | None = None) -> bool:
        """Return whether it is installed on this system, under this Python or ``python``."""
        if self.marker is None:
            return True
        given = {} if python is None else {"python_full_version": f"{python}.0"}
        return self.marker.evaluate(dict(given))


def read_pins(root: Path) -> dict[str, Pin]:
    """Return what constraints.txt pins, by canonical name; ValueError for any other line."""
    text = (root / "constraints.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    pins: dict[str, Pin] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        wanted, *hashes = re.split(r"\s+--hash=", line.strip())
        requirement = Requirement(wanted)
        (specifier,) = requirement.specifier
        name = canonicalize_name(requirement.name)
        if specifier.operator != "==" or requirement.extras or requirement.url or name in pins:
            raise ValueError(line)
        pins[name] = Pin(
            name=name,
            version=specifier.version,
            marker=requirement.marker,
            hashes=tuple(hashes),
        )
    return pins


def licence_of(found: Distribution) -> str:
    """Return the licence that the metadata of a distribution name, as SPDX where they can."""
    about = {key: str(found.metadata[key]) for key in set(found.metadata) & {*_TOLD}}
    if "License-Expression" in about:
        return about["License-Expression"]
    first = about.get("License", "").strip().partition("\n")[0].strip()
    if first in _WORDS:
        return _WORDS[first]
    told = [
        _CLASSIFIERS[classifier.rpartition(" :: ")[2]]
        for classifier in found.metadata.get_all("Classifier") or []
        if classifier.startswith("License :: ")
    ]
    if first and all(known(part) for part in parts_of(first)):
        return first
    return " OR ".join(sorted(told)) or first or _by_its_text(found)


def _by_its_text(found: Distribution) -> str:
    """Return the licence whose text a distribution carries, where its metadata name none."""
    for name in found.metadata.get_all("License-File") or []:
        text = found.read_text(f"licenses/{name}") or ""
        if text.split()[:4] == ["Apache", "License", "Version", "2.0,"]:
            return "Apache-2.0"
    return ""


def parts_of(licence: str) -> list[str]:
    """Return the single licences of an expression."""
    return [part.strip("() ") for part in re.split(r" (?:AND|OR) ", licence)]


def known(licence: str) -> bool:
    """Return whether docs/licences.md says what a single licence asks for."""
    return licence in PERMISSIVE | PER_FILE


def needed_for(root: Path) -> dict[str, str]:
    """Return who needs each distribution, on any Python: placer, its extra cluster, or the tests.

    Read from what is installed, so that nothing is left out that pip would install.
    """
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    found: dict[str, str] = {}
    for purpose, wanted in (
        ("placer", project["dependencies"]),
        ("cluster", extras["cluster"]),
        ("tests", extras["test"]),
    ):
        for name in _closure(Requirement(text) for text in wanted):
            found.setdefault(name, purpose)
    return found


def _closure(wanted: Iterable[Requirement]) -> Iterator[str]:
    """Yield the names that some requirements lead to, themselves included."""
    waiting = list(wanted)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        yield name
        try:
            inner = distribution(name).requires or []
        except PackageNotFoundError:  # of another platform or Python
            continue
        for text in inner:
            one = Requirement(text)
            if _may_hold(one.marker, requirement.extras):
                waiting.append(one)


def _may_hold(marker: Marker | None, extras: set[str]) -> bool:
    if marker is None:
        return True
    environments = (
        *({"python_version": v, "python_full_version": f"{v}.0"} for v in ("3.11", "3.12", "3.13")),
        *_ELSEWHERE,
    )
    return any(
        marker.evaluate({**given, "extra": extra})
        for given in environments
        for extra in ("", *extras)
    )


def licence_blocks(root: Path) -> dict[str, str]:
    """Return the table of what is installed on Linux, and the list of what is not.

    What another Python or another kind of processor would tell is kept as it is on the page.
    """
    pins, purposes = read_pins(root), needed_for(root)
    page = (root / "docs" / "licences.md").read_text(encoding="utf-8")
    rows: dict[str, list[str]] = {"placer": [], "cluster": [], "tests": []}
    kept, kept_in = {}, {}
    for purpose in rows:
        for match in re.finditer(r"^\| (\S+) \|.*$", block_of(page, purpose), re.MULTILINE):
            kept[match[1]], kept_in[match[1]] = match[0], purpose
    elsewhere = []
    for name, pin in sorted(pins.items()):
        if not any(pin.holds(python) for python in ("3.11", "3.12", "3.13")):
            elsewhere.append(f"{name} {pin.version}")
        elif pin.holds():
            row = _row(pin)
            if platform.machine() != "x86_64" and name in kept:
                row = f"{row.rsplit(' | ', 1)[0]} | {kept[name].rsplit(' | ', 1)[1]}"
            rows[purposes[name]].append(row)
        else:
            rows[kept_in[name]].append(kept[name])
    head = "| | version | licence | where its text is | what its wheel brings along |"
    head += "\n|---|---|---|---|---|"
    blocks = {purpose: "\n".join([head, *lines]) for purpose, lines in rows.items()}
    return {**blocks, "elsewhere": f"Only on Windows: {', '.join(elsewhere)}."}


def _row(pin: Pin) -> str:
    found = distribution(pin.name)
    files = [file.as_posix() for file in found.files or []]
    texts = [
        name
        for name in files
        if ".dist-info/" in name and _LICENCE_FILE.search(name.rpartition("/")[2])
    ]
    shown = [name.partition(".dist-info/")[2] for name in sorted(texts)]
    where = f"`{shown[0]}`" + (f" and {len(shown) - 1} more" if shown[1:] else "") if shown else ""
    libraries = sorted(
        {
            re.sub(r"^absl_.*", "absl", match[1])
            for name in files
            if ".libs/" in name and (match := _LIBRARY.match(name.rpartition("/")[2]))
        }
    )
    cells = (pin.name, pin.version, licence_of(found), where, ", ".join(libraries))
    return "| " + " | ".join(cells) + " |"
