"""One boot of the real Xen on an emulated NUMA machine, and what it did with configurations."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.readers.linux_guest import pack
from tests.xen.image import Require, image

DOM0_MIB: Final = 400
MOST_SECONDS: Final = 600
"""A machine that has not told by then hangs."""

_XEN: Final = (
    "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all conring_size=2M bootscrub=0 "
    f"dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M dom0_max_vcpus=1 numa=on noreboot"
)
_LINUX: Final = "console=hvc0 rdinit=/init loglevel=4 panic=1 random.trust_cpu=on mitigations=off"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine: MiB of each node, cpus of each, and distances by rows.

    With 3 cpus on a node Xen hangs in QEMU 7.2 before it starts them.
    """

    memory: tuple[int, ...]
    cpus: int = 2
    distances: tuple[tuple[int, ...], ...] = ()

    def rows(self) -> list[list[int]]:
        """Return the distances, 10 and 20 where none are given."""
        count = range(len(self.memory))
        return [[*row] for row in self.distances] or [
            [10 if i == j else 20 for j in count] for i in count
        ]


@dataclass(frozen=True)
class Created:
    """How xl ended with one configuration, what it said, and the probe's words."""

    code: int
    said: str
    probe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Booted:
    """What Xen printed: before and after the configurations, and of each."""

    info: str
    running: str
    before: str
    after: str
    vcpus: str
    created: tuple[Created, ...]


def boot(machine: Machine, configs: Sequence[str], folder: Path, require: Require) -> Booted:
    """Boot the machine, create a guest of each configuration, and leave all of them alive."""
    job = folder / "job"
    (job / "job").mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(configs):
        (job / "job" / f"{number:03}.cfg").write_text(text, encoding="utf-8")
    pack(job, folder / "job.cpio", require)
    built = image(require)
    with (folder / "initrd").open("wb") as initrd:
        initrd.write((built / "initrd").read_bytes() + (folder / "job.cpio").read_bytes())
    told = folder / "told"
    program = require("qemu-system-x86_64", "qemu-system-x86")
    done = subprocess.run(
        [program, *_arguments(machine, built, folder / "initrd", told)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=MOST_SECONDS,
    )
    files = _unpack(told) if told.exists() else {}
    if files.get("status") != "ok\n":
        status = files.get("status", "nothing")
        raise AssertionError(f"dom0 said {status}: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    return Booted(
        info=files["info.txt"],
        running=files["list.txt"],
        before=files["before.txt"],
        after=files["after.txt"],
        vcpus=files["vcpus.txt"],
        created=tuple(_created(files, f"{number:03}") for number in range(len(configs))),
    )


def _arguments(machine: Machine, built: Path, initrd: Path, told: Path) -> list[str]:
    count, cpus = len(machine.memory), machine.cpus
    # One thread for all cpus: with one each, more cpus than this machine has were seen to hang.
    arguments = ["-machine", "pc", "-accel", "tcg,thread=single", "-cpu", "qemu64,+rdrand,+npt"]
    arguments += ["-m", f"{sum(machine.memory)}M"]
    arguments += ["-smp", f"{count * cpus},sockets={count},cores={cpus},threads=1"]
    arguments += ["-display", "none", "-nodefaults", "-no-reboot", "-monitor", "none"]
    arguments += ["-serial", "stdio", "-serial", f"file:{told}"]
    for node, mib in enumerate(machine.memory):
        arguments += ["-object", f"memory-backend-ram,id=m{node},size={mib}M"]
        first = node * cpus
        arguments += ["-numa", f"node,nodeid={node},memdev=m{node},cpus={first}-{first + cpus - 1}"]
    for src, row in enumerate(machine.rows()):
        for dst, value in enumerate(row):
            if src != dst:
                arguments += ["-numa", f"dist,src={src},dst={dst},val={value}"]
    modules = f"{built / 'vmlinux'} {_LINUX},{initrd}"
    return [*arguments, "-kernel", str(built / "xen"), "-append", _XEN, "-initrd", modules]


def _unpack(told: Path) -> dict[str, str]:
    match = re.search(rb"=====BEGIN=====(.*?)=====END=====", told.read_bytes(), re.DOTALL)
    if match is None:
        return {}
    packed = base64.b64decode(re.sub(rb"\s", b"", match[1]))
    files = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        for member in tar.getmembers():
            content = tar.extractfile(member)
            if content is not None:
                name = member.name.removeprefix("./")
                files[name] = content.read().decode(errors="replace").replace("\r", "")
    return files


def _created(files: dict[str, str], name: str) -> Created:
    probe = files.get(f"{name}.probe.txt", "")
    said = "".join(files.get(f"{name}.{end}", "") for end in ("create.err", "probe.err"))
    return Created(int(files[f"{name}.create.rc"]), said, json.loads(probe) if probe else {})
