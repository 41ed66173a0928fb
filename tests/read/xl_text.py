"""What the tests of xl's guests share: reading a text, its warnings, its faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.read.xl_cfg import parse_config, render_value
from placer.read.xl_domain import domain_from_config

DATA = Path(__file__).parent / "data"
PLAIN = 'name = "vm"\nmemory = 1024\nvcpus = 4\n'
TWO = PLAIN + "vnodes = 2\n"
BASIC_KEYS = ["name", "type", "builder", "memory", "maxmem", "vcpus", "maxvcpus"]
BASIC_KEYS += ["cpus", "cpus_soft"]
HVM = 'type = "hvm"\n' + PLAIN


def read(text: str, **options: Any) -> tuple[Domain, list[Fault]]:
    return domain_from_config(parse_config(text, "vm.cfg"), **options)


def domain_of(text: str, **options: Any) -> Domain:
    return read(text, **options)[0]


def warnings_of(text: str, **options: Any) -> list[str]:
    return [str(warning) for warning in read(text, **options)[1]]


def faults_of(text: str, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(text, **options)
    return [str(fault) for fault in caught.value.faults]


def vnuma(*vnodes: str) -> str:
    """Return a ``vnuma`` line; each vnode is written as ``"size=1 vcpus=0"``."""
    return f"vnuma = {render_value([vnode.split() for vnode in vnodes])}\n"
