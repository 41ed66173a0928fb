"""One reader on its hostile files, each in a process that is held to limits.

    python -m tests.fuzz.measured READER

Prints, as JSON, for each file how its process ended, its peak of memory in KiB, and the seconds of
processor time that it took.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Final

from tests.fuzz.hostile import CASES
from tests.fuzz.readers import run_reader

CPU_SECONDS: Final = 120
"""The process is killed after that, as is one that asks for more addresses than it may have."""

ADDRESSES: Final = 4 << 30
"""More than the limit on memory itself: libraries map more than they touch."""


def measure(name: str, path: Path) -> dict[str, Any]:
    """Let a process of its own read a file; return how it ended and what it took."""
    process = os.fork()
    if not process:
        # Nothing of the parent is to run in the child, whatever happens.
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
            with tempfile.TemporaryDirectory() as folder:
                run_reader(name, Path(folder), path.read_bytes())
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status, usage = os.wait4(process, 0)
    return {
        "ended": os.waitstatus_to_exitcode(status),
        "peak_kib": usage.ru_maxrss,
        "seconds": round(usage.ru_utime + usage.ru_stime, 1),
    }


def main() -> None:
    """Measure every hostile file of the reader that is named."""
    name = sys.argv[1]
    found = []
    for case, data in CASES[name]():
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            size = len(data)
            del data
            found.append({"case": case, "bytes": size, **measure(name, Path(file.name))})
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
