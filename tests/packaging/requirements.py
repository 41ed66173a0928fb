"""Print what placer needs to run, out of constraints.txt, with its hashes: make dist."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.docs.licences_page import needed_for, read_pins

ROOT = Path(__file__).parent.parent.parent


def runtime_requirements(root: Path = ROOT) -> str:
    """Return the lines of constraints.txt that running placer needs; the tests' are left out."""
    purposes = needed_for(root)
    lines = []
    for name, pin in read_pins(root).items():
        if purposes.get(name) == "placer":
            marker = f" ; {pin.marker}" if pin.marker else ""
            hashes = "".join(f" \\\n    --hash={value}" for value in pin.hashes)
            lines.append(f"{name}=={pin.version}{marker}{hashes}\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(runtime_requirements())
