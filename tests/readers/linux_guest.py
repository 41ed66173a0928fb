"""Boots Debian's cloud kernel in QEMU and returns what it says of its NUMA nodes.

The kernel is downloaded once, into $XDG_CACHE_HOME or ~/.cache; the root file system is busybox,
numactl and the libraries that it needs, all of this machine.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Require = Callable[[str, str], str]

META_PACKAGE = "linux-image-cloud-amd64"
MOST_SECONDS = 600
"""A guest that has not told by then hangs."""

_BEGIN, _END = "=====BEGIN=====", "=====END====="
_INIT = f"""\
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
exec >/dev/ttyS0 2>&1
echo {_BEGIN}
for node in /sys/devices/system/node/node[0-9]*; do
    echo "node ${{node##*node}}"
    echo "cpus $(/bin/busybox cat $node/cpulist)"
    echo "distances $(/bin/busybox cat $node/distance)"
    /bin/busybox grep MemTotal $node/meminfo
done
echo numactl
/bin/numactl --hardware
echo dmesg
/bin/busybox dmesg
echo {_END}
/bin/busybox poweroff -f
"""


@dataclass(frozen=True)
class Said:
    """What Linux says: by node its vcpus, distances and KiB; numactl's and the kernel's lines."""

    vcpus: list[list[int]]
    distances: list[list[int]]
    memory_kib: list[int]
    numactl: list[str]
    dmesg: list[str]


def boot(arguments: Sequence[str], require: Require, folder: Path) -> Said:
    """Boot a machine with these arguments of QEMU, and return what its Linux says."""
    program = require("qemu-system-x86_64", "qemu-system-x86")
    for name, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("ldd", "libc-bin")):
        require(name, package)
    image, initrd = _kernel(), _initrd(require, folder)
    # One thread for all vcpus: with one each, many vcpus on few cores were seen to hang.
    command = [program, "-accel", "tcg,thread=single", "-display", "none", "-nodefaults"]
    command += ["-no-reboot", "-serial", "stdio", "-kernel", str(image), "-initrd", str(initrd)]
    command += ["-append", "console=ttyS0 rdinit=/init panic=-1 quiet mitigations=off"]
    done = subprocess.run(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=MOST_SECONDS,
    )
    _, begun, rest = done.stdout.partition(_BEGIN)
    told, ended, _ = rest.partition(_END)
    if not begun or not ended:
        raise AssertionError(f"the guest said: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return _parse(told.replace("\r", ""))


def _parse(text: str) -> Said:
    nodes, _, rest = text.partition("\nnumactl\n")
    numactl, _, dmesg = rest.partition("\ndmesg\n")
    cpus = re.findall(r"^cpus (.*)$", nodes, re.MULTILINE)
    distances = re.findall(r"^distances (.*)$", nodes, re.MULTILINE)
    memory = re.findall(r"MemTotal: +(\d+) kB", nodes)
    return Said(
        vcpus=[_numbers(line) for line in cpus],
        distances=[[int(value) for value in line.split()] for line in distances],
        memory_kib=[int(kib) for kib in memory],
        numactl=numactl.splitlines(),
        dmesg=[re.sub(r"^\[ *[\d.]+\] ", "", line) for line in dmesg.splitlines()],
    )


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


# -- what is booted --------------------------------------------------------------------------


def cache_folder(name: str) -> Path:
    """Return a folder that lasts from one test run to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that make something in the folder out meanwhile."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download(packages: Sequence[str], folder: Path) -> None:
    """Download Debian packages into the folder, after a fresh look at the lists if need be."""
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(["apt-get", "update"], capture_output=True, check=True)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)


def unpack(folder: Path, root: Path) -> None:
    """Unpack every package of a folder below ``root``."""
    for package in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)


def depends(package: str) -> list[str]:
    """Return the packages that a package depends on, by apt's lists."""

    def ask() -> str:
        done = subprocess.run(
            ["apt-cache", "depends", package], capture_output=True, text=True, check=False
        )
        return done.stdout

    text = ask()
    if "Depends:" not in text:
        subprocess.run(["apt-get", "update"], capture_output=True, check=True)
        text = ask()
    return re.findall(r"^ +Depends: (\S+)", text, re.MULTILINE)


def _kernel() -> Path:
    """Return the newest cloud kernel of this Debian."""
    (package,) = (name for name in depends(META_PACKAGE) if name.startswith("linux-image-"))
    folder = cache_folder("placer-linux-test")
    target = folder / package
    with locked(folder):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as made:
                debs, root = Path(made) / "debs", Path(made) / "root"
                debs.mkdir()
                download([package], debs)
                unpack(debs, root)
                (kernel,) = (root / "boot").glob("vmlinuz-*")
                kernel.rename(target)
    return target


def _initrd(require: Require, folder: Path) -> Path:
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    (root / "bin").mkdir(parents=True)
    for name, package in (("busybox", "busybox-static"), ("numactl", "numactl")):
        program = Path(require(name, package))
        shutil.copy(program, root / "bin" / name)
        for library in _libraries(program):
            target = root / library.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    init = root / "init"
    init.write_text(_INIT, encoding="utf-8")
    init.chmod(0o755)
    archive = folder / "initrd"
    pack(root, archive, require)
    return archive


def pack(root: Path, archive: Path, require: Require) -> None:
    """Pack a folder as an initramfs."""
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    with archive.open("wb") as file:
        subprocess.run(
            [require("cpio", "cpio"), "-o", "-H", "newc", "--quiet", "-R", "0:0"],
            input=names.encode(),
            stdout=file,
            cwd=root,
            check=True,
        )


def _libraries(program: Path) -> list[Path]:
    """Return the libraries that a program loads; none where it is static."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return [Path(path) for path in re.findall(r"(?:=> |^\s)(/\S+) \(0x", done.stdout, re.MULTILINE)]
