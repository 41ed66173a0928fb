"""What is booted: Debian's Xen 4.17, its Linux, and a small dom0 with Xen's own toolstack.

Packages are downloaded and unpacked, never installed, into a folder that lasts:
$PLACER_XEN_CACHE, else placer-xen-test in $XDG_CACHE_HOME or ~/.cache. Libraries that this
machine has are taken from it.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.readers.linux_guest import cache_folder, depends, download, locked, pack, unpack

Require = Callable[[str, str], str]

DOM0: Final = Path(__file__).parent / "dom0"
_XEN: Final = "usr/lib/xen-4.17"
_PACKAGES: Final = (
    "xen-hypervisor-4.17-amd64",
    "xen-utils-4.17",
    "qemu-system-xen",
    "seabios",
    "xenstore-utils",
    "busybox-static",
)
_PROGRAMS: Final = (
    "bin/busybox",
    *(f"{_XEN}/bin/{name}" for name in ("xl", "xenstored", "xenconsoled", "xen-init-dom0")),
    f"{_XEN}/bin/libxl-save-helper",
    "usr/bin/xenstore-exists",
    "usr/libexec/xen-qemu-system-i386",
)
_DATA: Final = (
    (f"{_XEN}/boot", "hvmloader"),
    ("usr/share/seabios", "*.bin"),
    ("usr/share/qemu/keymaps", "*"),
    ("usr/share/qemu", "kvmvapic.bin"),
)
_MODULES: Final = ("xen-evtchn", "xen-privcmd", "xenfs", "xen-gntdev", "xen-gntalloc")
_FILES: Final = {
    "etc/xen/xl.conf": 'autoballoon="off"\nclaim_mode=1\n',
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
}
_DLOPENED: Final = "/lib/x86_64-linux-gnu/libgcc_s.so.1"
"""pthread_cancel loads it."""


def image(require: Require) -> Path:
    """Return the folder with ``xen``, ``vmlinux`` and ``initrd``, made once of what is here."""
    for program, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("ldd", "libc-bin")):
        require(program, package)
    if not Path("/usr/include/xenctrl.h").exists():
        pytest.skip("Xen's libraries are missing; on Debian: sudo apt-get install libxen-dev")
    own = os.environ.get("PLACER_XEN_CACHE")
    folder = Path(own) if own else cache_folder("placer-xen-test")
    folder.mkdir(parents=True, exist_ok=True)
    sources = [Path(__file__), *sorted(DOM0.iterdir())]
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    target = folder / stamp
    with locked(folder):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as made:
                _make(Path(made), require)
                (Path(made) / "image").rename(target)
    return target


def _make(folder: Path, require: Require) -> None:
    debs, root, made = folder / "debs", folder / "packages", folder / "image"
    for path in (debs, root, made):
        path.mkdir()
    (kernel,) = (name for name in depends("linux-image-amd64") if name.startswith("linux-image-"))
    download([*_missing(), kernel], debs)
    unpack(debs, root)
    (hypervisor,) = (root / "boot").glob("xen-4.17-amd64.gz")
    (made / "xen").write_bytes(gzip.decompress(hypervisor.read_bytes()))
    (bzimage,) = (root / "boot").glob("vmlinuz-*")
    (made / "vmlinux").write_bytes(_unpacked(bzimage.read_bytes()))
    probe = _compile(folder, require)
    pack(_dom0(folder / "dom0", root, probe), made / "initrd", require)


def _missing() -> list[str]:
    """Return those of the packages, and of what they need, that this machine has not."""
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", *_PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(["apt-get", "update"], capture_output=True, check=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return re.findall(r"^Inst (\S+) \(", done.stdout, re.MULTILINE)


def _unpacked(bzimage: bytes) -> bytes:
    """Return the ELF file in a bzImage (Documentation/x86/boot.rst): it boots much faster."""
    sectors = bzimage[0x1F1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (sectors + 1) * 512 + offset
    # What follows the stream is the size of the kernel.
    return lzma.LZMADecompressor().decompress(bzimage[start : start + length])


def _compile(folder: Path, require: Require) -> Path:
    target = folder / "probe"
    command = [require("gcc", "gcc libc6-dev"), "-O2", "-Wall", "-Wextra", "-Werror"]
    command += [str(DOM0 / "probe.c"), "-o", str(target), "-lxenctrl", "-lxenguest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return target


def _dom0(root: Path, packages: Path, probe: Path) -> Path:
    """Lay out dom0's root file system."""
    programs = [(name, _found(packages, name)) for name in _PROGRAMS]
    programs += [("usr/bin/probe", probe), (_DLOPENED, Path(_DLOPENED))]
    for name, program in programs:
        _copy(program, root / name.lstrip("/"), 0o755)
        for library in _libraries(program, packages):
            _copy(library, root / "lib/x86_64-linux-gnu" / library.name, 0o644)
    _copy(
        _found(packages, "lib64/ld-linux-x86-64.so.2"), root / "lib64/ld-linux-x86-64.so.2", 0o755
    )
    for name, pattern in _DATA:
        for path in sorted(_found(packages, name, pattern).glob(pattern)):
            _copy(path, root / name / path.name, 0o644)
    for number, module in enumerate(_MODULES):
        (path,) = (packages / "lib/modules").rglob(f"{module}.ko*")
        _copy(path, root / "modules" / f"{number}-{module}.ko", 0o644)
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    _copy(DOM0 / "init", root / "init", 0o755)
    return root


def _found(packages: Path, name: str, pattern: str = "") -> Path:
    """Return a file of the packages or, where they were not downloaded, of this machine."""
    for path in (packages / name, Path("/") / name):
        if path.exists() and (not pattern or any(path.glob(pattern))):
            return path
    raise AssertionError(f"no package has {name}")


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _libraries(program: Path, packages: Path) -> list[Path]:
    """Return the libraries that a program loads, of the packages before this machine's."""
    folders = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", f"{_XEN}/lib/x86_64-linux-gnu"]
    paths = ":".join(str(packages / folder) for folder in folders)
    done = subprocess.run(
        ["ldd", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": paths},
    )
    if "not found" in done.stdout:
        raise AssertionError(f"{program}: {done.stdout}")
    return [Path(path) for path in re.findall(r"=> (/\S+) \(0x", done.stdout)]
