"""Runs ``placer`` again and again in forks of itself, each with a fault of its own.

Started with faults.c loaded before the C library. Each line of standard input asks, as JSON, for
some runs at once; each line of standard output says how they ended.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from typing import Any

import placer.cli.main

_PIPES: list[dict[str, int]] = []
"""What the runs say, by its name."""

_LEFT_OUT = ("placer.__main__", "placer.engine.cluster")


def main() -> None:
    """Answer until nobody asks any more."""
    for module in pkgutil.walk_packages(placer.__path__, "placer."):
        if module.name not in _LEFT_OUT:
            importlib.import_module(module.name)
    for line in sys.stdin:
        wanted = json.loads(line)
        begin, ready = os.pipe()
        pids = [_start(each, begin, ready) for each in wanted]
        os.close(begin)
        os.close(ready)  # the last end of what all of them wait on
        for pid, each in zip(pids, wanted, strict=True):
            if each["kill_after"] is not None:
                time.sleep(each["kill_after"])
                os.kill(pid, signal.SIGKILL)
        # Read while they run: a pipe holds only so much.
        for each, ends in zip(wanted, _PIPES, strict=False):
            for name, end in ends.items():
                with os.fdopen(end, "rb") as pipe, open(each[name], "wb") as file:  # noqa: PTH123
                    file.write(pipe.read())
        _PIPES.clear()
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


def _start(wanted: dict[str, Any], begin: int, ready: int) -> int:
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid:
        os.close(out[1])
        os.close(err[1])
        _PIPES.append({"out": out[0], "err": err[0]})
        return pid
    os.close(ready)
    os.read(begin, 1)  # until the others are there too
    os.close(begin)
    for ends in _PIPES:
        for end in ends.values():
            os.close(end)
    for (reading, writing), number in ((out, 1), (err, 2)):
        os.dup2(writing, number)
        os.close(reading)
        os.close(writing)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if wanted["file_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["file_limit"],) * 2)
    sys.argv = ["placer", *wanted["arguments"]]
    ctypes.CDLL(None).fault_arm(
        *(wanted[name] for name in ("action", "number", "when")),
        wanted["calls"].encode(),
        wanted["below"].encode(),
        wanted["bytes"],
        int(wanted["no_exchange"]),
        wanted["log"].encode(),
    )
    code = 0
    try:
        placer.cli.main.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
